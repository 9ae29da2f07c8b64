# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pullgate_global_optspecs
    string join \n config= h/help V/version
end

function __fish_pullgate_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pullgate_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pullgate_using_subcommand
    set -l cmd (__fish_pullgate_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pullgate -n "__fish_pullgate_needs_command" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_needs_command" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_needs_command" -s V -l version -d 'Print version'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "serve" -d 'Run the daemon between kubelet and containerd'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "verify" -d 'Evaluate images as the daemon would, and explain the decision'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "policy" -d 'Check, explain and test the policy'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "scan" -d 'Check every image and running container on this node against the policy'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "report" -d 'Show the decisions of this node, beginning with what audit mode let through'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "status" -d 'Show daemon status'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "doctor" -d 'Find out whether this node enforces its policy'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "trust" -d 'Refresh trusted roots'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "node" -d 'Make this node\'s kubelet use pullgate, or restore the previous state'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "generate" -d 'Generate man pages, completions and schemas'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "image-verifier" -d 'Verify one image for containerd\'s image verifier plugin'
complete -c pullgate -n "__fish_pullgate_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand serve" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand serve" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand verify" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand verify" -l pod-namespace -d 'Kubernetes namespace of the pod; if it is not given, the strictest rule applies' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand verify" -l username -d 'Registry user name' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand verify" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand verify" -l wide -d 'Show digests in full, as JSON always does, and lines of any length'
complete -c pullgate -n "__fish_pullgate_using_subcommand verify" -l password-stdin -d 'Read the registry password from standard input'
complete -c pullgate -n "__fish_pullgate_using_subcommand verify" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and not __fish_seen_subcommand_from check explain test help" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and not __fish_seen_subcommand_from check explain test help" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and not __fish_seen_subcommand_from check explain test help" -f -a "check" -d 'Check policy.toml, policy.d, pullgate.toml and break-glass.toml, and report every problem'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and not __fish_seen_subcommand_from check explain test help" -f -a "explain" -d 'Show which rules apply to an image, and why the others do not; contacts no registry'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and not __fish_seen_subcommand_from check explain test help" -f -a "test" -d 'Test the policy against a file of expected decisions'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and not __fish_seen_subcommand_from check explain test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from check" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from check" -l fetch-keys -d 'Fetch the public keys that the policy names by `source` and that this node does not have yet, as the daemon does'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from explain" -l pod-namespace -d 'Kubernetes namespace of the pod; if it is not given, every rule that could apply must admit the image' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from explain" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from explain" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from explain" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from test" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from test" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "check" -d 'Check policy.toml, policy.d, pullgate.toml and break-glass.toml, and report every problem'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "explain" -d 'Show which rules apply to an image, and why the others do not; contacts no registry'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "test" -d 'Test the policy against a file of expected decisions'
complete -c pullgate -n "__fish_pullgate_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -l daemon -d 'Whether to query the running daemon' -r -f -a "prefer\t'Query the daemon; if it does not answer, decide from the files on disk'
require\t'Query the daemon; if it does not answer, fail'
off\t'Do not query the daemon; decide from the files on disk'"
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -l daemon-timeout -d 'How long to wait for the daemon, in seconds' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -l username -d 'Registry user name' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -l wide -d 'Show digests in full, as JSON always does, and lines of any length'
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -l password-stdin -d 'Read the registry password from standard input'
complete -c pullgate -n "__fish_pullgate_using_subcommand scan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l since -d 'Only decisions since this time: in RFC 3339, or a span before now, such as 30m, 24h or 7d' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l namespace -d 'Only decisions for pods in this Kubernetes namespace; an empty value selects decisions without a pod' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l rule -d 'Only decisions by rules with this text in their name, such as a scope or policy.toml:12' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l verdict -d 'Only decisions with this verdict; may be repeated' -r -f -a "would-refuse\t'A rule in audit mode let the image through, and would refuse it in enforce mode'
would-withhold\t'A rule in audit mode let an image on the node through; in enforce mode, kubelet would have had to pull it again'
refused\t'Refused'
withheld\t'An image on the node was not shown to kubelet, which then pulls it'
undecided\t'The image does not exist, or the caller cancelled the call before the decision'
admitted\t'Admitted'"
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l output -d 'Output format' -r -f -a "text\t''
json\t''
csv\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l daemon -d 'Whether to query the running daemon' -r -f -a "prefer\t'Query the daemon; if it does not answer, decide from the files on disk'
require\t'Query the daemon; if it does not answer, fail'
off\t'Do not query the daemon; decide from the files on disk'"
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l daemon-timeout -d 'How long to wait for the daemon, in seconds' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -l wide -d 'Show digests in full, lines of any length, and the time of the first decision of each row'
complete -c pullgate -n "__fish_pullgate_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pullgate -n "__fish_pullgate_using_subcommand status" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand status" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand status" -l wide -d 'Show digests in full, as JSON always does, and lines of any length'
complete -c pullgate -n "__fish_pullgate_using_subcommand status" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand doctor" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand doctor" -l root -d 'Directory where the root of the node is mounted, in a pod with the processes and the network of the node' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand doctor" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand doctor" -l wide -d 'Show digests in full, as JSON always does, and lines of any length'
complete -c pullgate -n "__fish_pullgate_using_subcommand doctor" -l npd -d 'Print one line for node-problem-detector, and exit with the codes of its custom plugins'
complete -c pullgate -n "__fish_pullgate_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and not __fish_seen_subcommand_from fetch help" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and not __fish_seen_subcommand_from fetch help" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and not __fish_seen_subcommand_from fetch help" -f -a "fetch" -d 'Refresh trusted roots from the TUF repositories in pullgate.toml'
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and not __fish_seen_subcommand_from fetch help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and __fish_seen_subcommand_from fetch" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and __fish_seen_subcommand_from fetch" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and __fish_seen_subcommand_from fetch" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and __fish_seen_subcommand_from help" -f -a "fetch" -d 'Refresh trusted roots from the TUF repositories in pullgate.toml'
complete -c pullgate -n "__fish_pullgate_using_subcommand trust; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and not __fish_seen_subcommand_from install uninstall plan help" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and not __fish_seen_subcommand_from install uninstall plan help" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and not __fish_seen_subcommand_from install uninstall plan help" -f -a "install" -d 'Make kubelet use pullgate, and undo all changes if kubelet does not become ready'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and not __fish_seen_subcommand_from install uninstall plan help" -f -a "uninstall" -d 'Restore what `pullgate node install` has changed'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and not __fish_seen_subcommand_from install uninstall plan help" -f -a "plan" -d 'Show what `pullgate node install` would do, and change nothing'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and not __fish_seen_subcommand_from install uninstall plan help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from install" -l root -d 'Directory where the root of the node is mounted; `install` then copies the program and its units there' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from install" -l healthz -d 'Address of kubelet\'s health endpoint: its healthzBindAddress and healthzPort' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from install" -l timeout -d 'How long kubelet may take to become ready, in seconds' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from install" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from install" -l retry -d 'Try again after a failed attempt, although nothing has changed since'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from uninstall" -l root -d 'Directory where the root of the node is mounted; `install` then copies the program and its units there' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from uninstall" -l healthz -d 'Address of kubelet\'s health endpoint: its healthzBindAddress and healthzPort' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from uninstall" -l timeout -d 'How long kubelet may take to become ready, in seconds' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from uninstall" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from uninstall" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from plan" -l root -d 'Directory where the root of the node is mounted; `install` then copies the program and its units there' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from plan" -l healthz -d 'Address of kubelet\'s health endpoint: its healthzBindAddress and healthzPort' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from plan" -l timeout -d 'How long kubelet may take to become ready, in seconds' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from plan" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from plan" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from help" -f -a "install" -d 'Make kubelet use pullgate, and undo all changes if kubelet does not become ready'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from help" -f -a "uninstall" -d 'Restore what `pullgate node install` has changed'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from help" -f -a "plan" -d 'Show what `pullgate node install` would do, and change nothing'
complete -c pullgate -n "__fish_pullgate_using_subcommand node; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "man" -d 'Write the man pages of all commands and configuration files to a directory'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "completions" -d 'Print the completions for a shell'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "schema" -d 'Print the JSON schema of a configuration file'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from man" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from man" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from completions" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from completions" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from schema" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "man" -d 'Write the man pages of all commands and configuration files to a directory'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "completions" -d 'Print the completions for a shell'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "schema" -d 'Print the JSON schema of a configuration file'
complete -c pullgate -n "__fish_pullgate_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand image-verifier" -l daemon -d 'Whether to query the running daemon' -r -f -a "prefer\t'Query the daemon; if it does not answer, decide from the files on disk'
require\t'Query the daemon; if it does not answer, fail'
off\t'Do not query the daemon; decide from the files on disk'"
complete -c pullgate -n "__fish_pullgate_using_subcommand image-verifier" -l daemon-timeout -d 'How long to wait for the daemon, in seconds' -r
complete -c pullgate -n "__fish_pullgate_using_subcommand image-verifier" -l config -d 'Directory with pullgate.toml, policy.toml and policy.d' -r -F
complete -c pullgate -n "__fish_pullgate_using_subcommand image-verifier" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "serve" -d 'Run the daemon between kubelet and containerd'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "verify" -d 'Evaluate images as the daemon would, and explain the decision'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "policy" -d 'Check, explain and test the policy'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "scan" -d 'Check every image and running container on this node against the policy'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "report" -d 'Show the decisions of this node, beginning with what audit mode let through'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "status" -d 'Show daemon status'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "doctor" -d 'Find out whether this node enforces its policy'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "trust" -d 'Refresh trusted roots'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "node" -d 'Make this node\'s kubelet use pullgate, or restore the previous state'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "generate" -d 'Generate man pages, completions and schemas'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "image-verifier" -d 'Verify one image for containerd\'s image verifier plugin'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and not __fish_seen_subcommand_from serve verify policy scan report status doctor trust node generate image-verifier help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "check" -d 'Check policy.toml, policy.d, pullgate.toml and break-glass.toml, and report every problem'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "explain" -d 'Show which rules apply to an image, and why the others do not; contacts no registry'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "test" -d 'Test the policy against a file of expected decisions'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from trust" -f -a "fetch" -d 'Refresh trusted roots from the TUF repositories in pullgate.toml'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from node" -f -a "install" -d 'Make kubelet use pullgate, and undo all changes if kubelet does not become ready'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from node" -f -a "uninstall" -d 'Restore what `pullgate node install` has changed'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from node" -f -a "plan" -d 'Show what `pullgate node install` would do, and change nothing'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "man" -d 'Write the man pages of all commands and configuration files to a directory'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "completions" -d 'Print the completions for a shell'
complete -c pullgate -n "__fish_pullgate_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "schema" -d 'Print the JSON schema of a configuration file'
