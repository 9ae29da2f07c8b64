# This script installs pullgate on one node, and keeps the node in the state that the chart describes. The chart's privileged
# pods run this script: sh -c SCRIPT installer install|uninstall
#
#   HOST           the directory where the node's root file system is mounted
#   CONFIGURATION  the files for the node's /etc/pullgate: a volume of ConfigMaps and Secrets
#   CHART          a directory with the current files of the chart: `image` and `expectations.toml`
#   STATE          a directory in memory; the file STATE/ready exists while the node is in the configured state
#   IMAGE          the image of this pod
#   INTERVAL       the number of seconds between two runs of the installation
set -u
umask 077
etc=$HOST/etc/pullgate
# The list of files that the chart wrote to the node. If a later version of the chart's configuration does not contain a
# listed file, this script removes the file from the node.
written=$etc/.chart-files
# This file contains "reload" or "restart" while the daemon has not loaded the new files yet.
pending=$etc/.chart-pending

say() { printf 'installer: %s\n' "$*" >&2; }

# The shell acts on a signal only after a foreground command has ended, so `sleep` runs in the background.
pause() { sleep "$1" & wait "$!"; }

# Prints the names of the files below a directory, one name per line.
names_of() { (cd "$1" && find . -type f | sed 's|^\./||' | sort); }

# Replaces the list of written files as a whole, and syncs the list to disk before the next step.
list() { # NAMES
  printf '%s\n' "$1" >"$written.new" && sync "$written.new" && mv "$written.new" "$written" && sync "$etc"
}

unchanged() { # FROM NAMES
  [ -e "$written" ] && [ "$2" = "$(cat "$written")" ] || return 1
  printf '%s\n' "$2" | while IFS= read -r name; do cmp -s "$1/$name" "$etc/$name" || exit 1; done
}

remove_written() { # DIRECTORY
  [ -e "$written" ] || return 0
  while IFS= read -r name; do rm -f "$1/$name" "$1/$name.chart" || return 1; done <"$written"
}

# Makes the new configuration: the files on the node without the chart's previous files, plus the chart's current files. All
# files and directories in the new configuration belong to root, and only root can read them, because the daemon refuses
# other owners and modes.
compose() { # FROM NAMES NEXT
  rm -rf "$3" && cp -a "$etc" "$3" && remove_written "$3" || return 1
  printf '%s\n' "$2" | while IFS= read -r name; do
    mkdir -p "$(dirname "$3/$name")" && copy "$1/$name" "$3/$name" || exit 1
  done
}

copy() { # FROM TO
  command install -m 0600 "$1" "$2"
}

# Checks the new configuration under the path /etc/pullgate, because the files of the configuration contain this path. The
# check mounts the node's /var/lib, because the daemon stores fetched keys and trusted roots there. The check fetches missing
# keys (`source`) into the node's /var/lib.
check() { # NEXT
  unshare --mount sh -ec '
    mount --bind "$1" /etc/pullgate
    mount --bind "$HOST/var/lib" /var/lib
    pullgate policy check --fetch-keys
    pullgate policy test "$2/expectations.toml"
    [ ! -e /etc/pullgate/expectations.toml ] || pullgate policy test /etc/pullgate/expectations.toml
  ' check "$1" "$CHART" >&2
}

# Replaces each file as a whole. The daemon reads the policy only at a reload. While this function writes files, the list
# contains the old and the new files. So if this run is interrupted, the next run knows all written files.
put() { # FROM NAMES
  old=
  [ ! -e "$written" ] || old=$(cat "$written")
  list "$(printf '%s\n' "$old" "$2" | sed '/^$/d' | sort -u)" || return 1
  printf '%s\n' "$2" | while IFS= read -r name; do
    mkdir -p "$(dirname "$etc/$name")" && copy "$1/$name" "$etc/$name.chart" && sync "$etc/$name.chart" &&
      mv "$etc/$name.chart" "$etc/$name" || exit 1
  done || return 1
  printf '%s\n' "$old" | while IFS= read -r name; do
    [ -z "$name" ] || printf '%s\n' "$2" | grep -Fqx -e "$name" || rm -f "$etc/$name" "$etc/$name.chart" || exit 1
  done || return 1
  list "$2"
}

differ() { # FILE FILE
  [ -e "$1" ] || [ -e "$2" ] || return 1
  ! cmp -s "$1" "$2"
}

# Prints how the daemon loads the new files. The daemon reads pullgate.toml only at startup.
verb_for() { # NEXT
  if differ "$1/pullgate.toml" "$etc/pullgate.toml" || grep -sqx restart "$pending"; then
    echo restart
  else
    echo reload
  fi
}

systemctl_of_node() { nsenter --target 1 --mount --root -- systemctl "$@"; }

load() {
  [ -e "$pending" ] || return 0
  case $(systemctl_of_node is-active pullgate.service) in
    active | activating | reloading) systemctl_of_node "$(cat "$pending")" pullgate.service || return 1 ;;
    # A daemon that does not run reads the new files when it starts.
    inactive | deactivating | failed | unknown) ;;
    *) return 1 ;;
  esac
  rm -f "$pending"
}

configure() {
  [ -d "$etc" ] || mkdir -m 0755 "$etc" || return 1
  # When a ConfigMap or Secret changes, kubelet replaces all files of its volume at once, with the symbolic link `..data`.
  from=$(readlink -f "$CONFIGURATION/..data") && names=$(names_of "$from") || return 1
  if ! unchanged "$from" "$names"; then
    compose "$from" "$names" "$STATE/next" && check "$STATE/next" || return 1
    verb=$(verb_for "$STATE/next") && echo "$verb" >"$pending" && put "$from" "$names" || return 1
    rm -rf "$STATE/next"
    say "wrote the configuration of the chart to /etc/pullgate"
  fi
  load
}

# During an update of the chart, a node has two pods for a short time. The old pod no longer installs the program, but still
# writes the configuration. Without the new configuration, the policy can refuse the image of the new pod.
install() {
  configured=yes
  configure || configured=no
  # If the chart has not written a policy yet, the node would refuse all images, so the installation does not continue.
  [ -e "$written" ] || return 1
  if [ "$(cat "$CHART/image")" = "$IMAGE" ]; then
    pullgate node install --root "$HOST" || return 1
  fi
  [ "$configured" = yes ]
}

uninstall() {
  pullgate node uninstall --root "$HOST" && remove_written "$etc" && rm -f "$written" "$written.new" "$pending"
}

trap 'exit 0' TERM INT
# With this lock, only one pod at a time changes the node.
exec 9>"$HOST/run/pullgate-installer.lock" || exit 1
while :; do
  flock 9
  if "$1"; then
    touch "$STATE/ready"
  else
    say "$1 failed; trying again in $INTERVAL s"
    rm -f "$STATE/ready"
  fi
  flock -u 9
  pause "$INTERVAL"
done
