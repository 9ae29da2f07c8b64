# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_pullgate_signer_global_optspecs
    string join \n config= h/help V/version
end

function __fish_pullgate_signer_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_pullgate_signer_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_pullgate_signer_using_subcommand
    set -l cmd (__fish_pullgate_signer_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -s V -l version -d 'Print version'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "serve" -d 'Run the signing service'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "check" -d 'Check signer.toml and pullgate.toml, and open the key and password files'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "status" -d 'Show the status of the running signer'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "request" -d 'Ask the running signer to sign images that it does not sign by itself: older images, parked images, and images of manual rules'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "sign" -d 'Sign images'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "keys" -d 'Generate, list and fetch keys'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "policy" -d 'Push policies and deny lists that nodes follow'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "import" -d 'Convert another system\'s policy to pullgate\'s format'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "generate" -d 'Generate man pages, completions and schemas'
complete -c pullgate-signer -n "__fish_pullgate_signer_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand serve" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand serve" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand check" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand check" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand status" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand status" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand status" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand request" -l rule -d 'Rule that signs the images (default: every rule that applies to an image)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand request" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand request" -l all-tags -d 'Sign every tagged image in the scope of the rule'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand request" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l key -d 'Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l algorithm -d 'Signature algorithm, as in docs/signing.md: RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …; required for RSA keys; other keys have a default' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l layout -d 'Where to attach signatures: classic, bundle, both or notation' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -s a -l annotation -d 'Sign this text together with the digest; may be repeated' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l from-file -d 'Also sign the images listed in this file, one image on each line (- is standard input)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l all-tags -d 'Sign every tagged image in a repository and its sub-repositories' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l tag -d 'With --all-tags, only tags that match; * matches any characters' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l exclude-tag -d 'With --all-tags, skip tags that match' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l certificate-chain -d 'With --layout notation: the certificate of the key and those of its CAs, in PEM' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l envelope -d 'With --layout notation: jws or cose' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l expires-in -d 'With --layout notation: when the signature expires, such as 90d' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l timestamp -d 'Add a timestamp (RFC 3161) of this authority to bundles and Notation signatures' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l timestamp-ca -d 'Root certificates of the timestamp authority, in PEM' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l passphrase-file -d 'Read the passphrase of an encrypted key file from the first line of this file (default: COSIGN_PASSWORD)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l passphrase-fd -d 'Read the passphrase from the first line of this file descriptor (0 is stdin)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l pin-file -d 'Read the PIN of a PKCS#11 token from this file, unless the key\'s URI has a pin-source' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l pkcs11-module -d 'PKCS#11 module, unless the key\'s URI names one' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l kms-ram-role -d 'Alibaba Cloud: use the RAM role of this ECS instance (default: ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l kms-credentials -d 'Alibaba Cloud: use this credentials file of the aliyun CLI and SDKs' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l kms-profile -d 'Alibaba Cloud: profile in the credentials file' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l kms-assume-role -d 'Alibaba Cloud: assume this role first (acs:ram::ACCOUNT:role/NAME)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l vault-token-file -d 'Vault or OpenBao: read the token from this file (default: VAULT_TOKEN or BAO_TOKEN)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l vault-role-id -d 'Vault or OpenBao: log in with AppRole, with this role ID' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l vault-secret-id-file -d 'Vault or OpenBao: read the secret ID of the AppRole from this file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l key-ca -d 'Also trust the CA certificates in this file when connecting to KMS or Vault' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l username -d 'Registry user name' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l recursive -d 'For an image index, also sign each manifest that the index lists'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l dry-run -d 'Show what would be signed, and change nothing'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l wide -d 'Show digests in full, as JSON always does, and lines of any length'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -l password-stdin -d 'Read the registry password from standard input'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand sign" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -f -a "generate" -d 'Generate a key pair, in a file or in a PKCS#11 token'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -f -a "public" -d 'Show the public key of a private key, with its fingerprint and ids'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -f -a "list" -d 'List the keys of each authenticator of the policy'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -f -a "fetch" -d 'Fetch and store the public keys that the policy names by `source`'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -f -a "sign" -d 'Sign a file, so that openssl and cosign verify-blob can verify it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and not __fish_seen_subcommand_from generate public list fetch sign help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l kind -d 'Key type: RSA_2048, RSA_3072, RSA_4096, EC_P256, EC_P384, EC_P521 or ED25519' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l purpose -d 'Key usage' -r -f -a "SIGN/VERIFY\t''"
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l passphrase-file -d 'Read the passphrase of an encrypted key file from the first line of this file (default: COSIGN_PASSWORD)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l passphrase-fd -d 'Read the passphrase from the first line of this file descriptor (0 is stdin)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l pin-file -d 'Read the PIN of a PKCS#11 token from this file, unless the key\'s URI has a pin-source' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l pkcs11-module -d 'PKCS#11 module, unless the key\'s URI names one' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l kms-ram-role -d 'Alibaba Cloud: use the RAM role of this ECS instance (default: ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l kms-credentials -d 'Alibaba Cloud: use this credentials file of the aliyun CLI and SDKs' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l kms-profile -d 'Alibaba Cloud: profile in the credentials file' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l kms-assume-role -d 'Alibaba Cloud: assume this role first (acs:ram::ACCOUNT:role/NAME)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l vault-token-file -d 'Vault or OpenBao: read the token from this file (default: VAULT_TOKEN or BAO_TOKEN)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l vault-role-id -d 'Vault or OpenBao: log in with AppRole, with this role ID' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l vault-secret-id-file -d 'Vault or OpenBao: read the secret ID of the AppRole from this file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l key-ca -d 'Also trust the CA certificates in this file when connecting to KMS or Vault' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -l encrypt -d 'Encrypt the key file with the passphrase'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from generate" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l algorithm -d 'Signature algorithm; does not change the public key' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l passphrase-file -d 'Read the passphrase of an encrypted key file from the first line of this file (default: COSIGN_PASSWORD)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l passphrase-fd -d 'Read the passphrase from the first line of this file descriptor (0 is stdin)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l pin-file -d 'Read the PIN of a PKCS#11 token from this file, unless the key\'s URI has a pin-source' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l pkcs11-module -d 'PKCS#11 module, unless the key\'s URI names one' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l kms-ram-role -d 'Alibaba Cloud: use the RAM role of this ECS instance (default: ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l kms-credentials -d 'Alibaba Cloud: use this credentials file of the aliyun CLI and SDKs' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l kms-profile -d 'Alibaba Cloud: profile in the credentials file' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l kms-assume-role -d 'Alibaba Cloud: assume this role first (acs:ram::ACCOUNT:role/NAME)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l vault-token-file -d 'Vault or OpenBao: read the token from this file (default: VAULT_TOKEN or BAO_TOKEN)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l vault-role-id -d 'Vault or OpenBao: log in with AppRole, with this role ID' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l vault-secret-id-file -d 'Vault or OpenBao: read the secret ID of the AppRole from this file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l key-ca -d 'Also trust the CA certificates in this file when connecting to KMS or Vault' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from public" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from list" -l output -d 'Output format' -r -f -a "text\t''
json\t''"
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from list" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from fetch" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from fetch" -l all -d 'Also fetch the keys again that are stored already, and report the keys that have changed'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from fetch" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l key -d 'Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l algorithm -d 'Signature algorithm; required for RSA keys' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l passphrase-file -d 'Read the passphrase of an encrypted key file from the first line of this file (default: COSIGN_PASSWORD)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l passphrase-fd -d 'Read the passphrase from the first line of this file descriptor (0 is stdin)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l pin-file -d 'Read the PIN of a PKCS#11 token from this file, unless the key\'s URI has a pin-source' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l pkcs11-module -d 'PKCS#11 module, unless the key\'s URI names one' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l kms-ram-role -d 'Alibaba Cloud: use the RAM role of this ECS instance (default: ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l kms-credentials -d 'Alibaba Cloud: use this credentials file of the aliyun CLI and SDKs' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l kms-profile -d 'Alibaba Cloud: profile in the credentials file' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l kms-assume-role -d 'Alibaba Cloud: assume this role first (acs:ram::ACCOUNT:role/NAME)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l vault-token-file -d 'Vault or OpenBao: read the token from this file (default: VAULT_TOKEN or BAO_TOKEN)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l vault-role-id -d 'Vault or OpenBao: log in with AppRole, with this role ID' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l vault-secret-id-file -d 'Vault or OpenBao: read the secret ID of the AppRole from this file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l key-ca -d 'Also trust the CA certificates in this file when connecting to KMS or Vault' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from sign" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "generate" -d 'Generate a key pair, in a file or in a PKCS#11 token'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "public" -d 'Show the public key of a private key, with its fingerprint and ids'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the keys of each authenticator of the policy'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "fetch" -d 'Fetch and store the public keys that the policy names by `source`'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "sign" -d 'Sign a file, so that openssl and cosign verify-blob can verify it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand keys; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and not __fish_seen_subcommand_from push push-deny-list help" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and not __fish_seen_subcommand_from push push-deny-list help" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and not __fish_seen_subcommand_from push push-deny-list help" -f -a "push" -d 'Push the policy in the configuration directory, with all files that it names, for nodes that follow it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and not __fish_seen_subcommand_from push push-deny-list help" -f -a "push-deny-list" -d 'Push a deny list, for nodes that follow it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and not __fish_seen_subcommand_from push push-deny-list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l version -d 'Version: higher than that of every document that these nodes have seen' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l also-for -d 'Another reference under which nodes may follow it, such as that of a copy; repeatable' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l label -d 'Only for nodes with this label; with several, nodes must have all of them' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l expires-in -d 'When nodes should have another one, such as 30d; later they report it as frozen' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l key -d 'Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY; no key that signs images' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l algorithm -d 'Signature algorithm; nodes accept EC and Ed25519 keys' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l passphrase-file -d 'Read the passphrase of an encrypted key file from the first line of this file (default: COSIGN_PASSWORD)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l passphrase-fd -d 'Read the passphrase from the first line of this file descriptor (0 is stdin)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l pin-file -d 'Read the PIN of a PKCS#11 token from this file, unless the key\'s URI has a pin-source' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l pkcs11-module -d 'PKCS#11 module, unless the key\'s URI names one' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l kms-ram-role -d 'Alibaba Cloud: use the RAM role of this ECS instance (default: ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l kms-credentials -d 'Alibaba Cloud: use this credentials file of the aliyun CLI and SDKs' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l kms-profile -d 'Alibaba Cloud: profile in the credentials file' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l kms-assume-role -d 'Alibaba Cloud: assume this role first (acs:ram::ACCOUNT:role/NAME)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l vault-token-file -d 'Vault or OpenBao: read the token from this file (default: VAULT_TOKEN or BAO_TOKEN)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l vault-role-id -d 'Vault or OpenBao: log in with AppRole, with this role ID' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l vault-secret-id-file -d 'Vault or OpenBao: read the secret ID of the AppRole from this file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l key-ca -d 'Also trust the CA certificates in this file when connecting to KMS or Vault' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l username -d 'Registry user name' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -l password-stdin -d 'Read the registry password from standard input'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l version -d 'Version: higher than that of every document that these nodes have seen' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l also-for -d 'Another reference under which nodes may follow it, such as that of a copy; repeatable' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l label -d 'Only for nodes with this label; with several, nodes must have all of them' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l expires-in -d 'When nodes should have another one, such as 30d; later they report it as frozen' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l key -d 'Private key: a file, pkcs11:…, alikms://KEY/VERSION?region=… or vault://KEY; no key that signs images' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l algorithm -d 'Signature algorithm; nodes accept EC and Ed25519 keys' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l passphrase-file -d 'Read the passphrase of an encrypted key file from the first line of this file (default: COSIGN_PASSWORD)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l passphrase-fd -d 'Read the passphrase from the first line of this file descriptor (0 is stdin)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l pin-file -d 'Read the PIN of a PKCS#11 token from this file, unless the key\'s URI has a pin-source' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l pkcs11-module -d 'PKCS#11 module, unless the key\'s URI names one' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l kms-ram-role -d 'Alibaba Cloud: use the RAM role of this ECS instance (default: ALIBABA_CLOUD_ACCESS_KEY_ID and …_SECRET)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l kms-credentials -d 'Alibaba Cloud: use this credentials file of the aliyun CLI and SDKs' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l kms-profile -d 'Alibaba Cloud: profile in the credentials file' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l kms-assume-role -d 'Alibaba Cloud: assume this role first (acs:ram::ACCOUNT:role/NAME)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l vault-token-file -d 'Vault or OpenBao: read the token from this file (default: VAULT_TOKEN or BAO_TOKEN)' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l vault-role-id -d 'Vault or OpenBao: log in with AppRole, with this role ID' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l vault-secret-id-file -d 'Vault or OpenBao: read the secret ID of the AppRole from this file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l key-ca -d 'Also trust the CA certificates in this file when connecting to KMS or Vault' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l username -d 'Registry user name' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l config -d 'Directory with signer.toml, pullgate.toml and policy.toml' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -l password-stdin -d 'Read the registry password from standard input'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from push-deny-list" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "push" -d 'Push the policy in the configuration directory, with all files that it names, for nodes that follow it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "push-deny-list" -d 'Push a deny list, for nodes that follow it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "security-center" -d 'Alibaba Cloud Security Center: responses of DescribeAttestors and DescribeBinarySecurityPolicies'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "kritis" -d 'kritis and kritis-validation-hook: AttestationAuthority, GenericAttestationPolicy, AdmissionAllowlist'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "binauthz" -d 'Google\'s Binary Authorization: the policy of a project, and its attestors'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "cosign" -d 'Public keys of cosign'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "notation" -d 'The trust policy of notation, with its trust stores'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "containers" -d 'The policy.json of podman, skopeo and CRI-O'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "registries-d" -d 'The registries.d of podman, skopeo and CRI-O: a part of pullgate.toml that says where GPG signatures are stored'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "credential-providers" -d 'kubelet\'s CredentialProviderConfig: a part of pullgate.toml with the programs that print credentials'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and not __fish_seen_subcommand_from security-center kritis binauthz cosign notation containers registries-d credential-providers help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l attestors -d 'Response of DescribeAttestors; repeat for each page' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l policies -d 'Response of DescribeBinarySecurityPolicies; repeat for each page' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l cluster -d 'ID of the cluster that this node belongs to' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l public-key -d 'Public key of an attestor, as `pullgate-signer keys public` writes it' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from security-center" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from kritis" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from kritis" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from kritis" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from kritis" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from kritis" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from binauthz" -l attestors -d 'Attestors, as `gcloud container binauthz attestors list` or `describe` writes them; repeat for each file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from binauthz" -l cluster -d 'Cluster that this node belongs to, as LOCATION.NAME' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from binauthz" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from binauthz" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from binauthz" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from binauthz" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from binauthz" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from cosign" -l scope -d 'Scope of the images that these keys sign, for example `registry.example.com/team`' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from cosign" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from cosign" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from cosign" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from cosign" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from cosign" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from notation" -l trust-store -d 'Directory with the trust stores (x509/TYPE/NAME); default: truststore beside the file' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from notation" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from notation" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from notation" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from notation" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from notation" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from containers" -l trust-root -d 'trusted_root.json with the keys of Rekor (`rekorPublicKey…`) and the CA of Fulcio (`fulcio`) that the file names' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from containers" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from containers" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from containers" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from containers" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from containers" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from registries-d" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from registries-d" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from registries-d" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from registries-d" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from registries-d" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from credential-providers" -l bin-dir -d 'The directory of the programs, as kubelet\'s option --image-credential-provider-bin-dir' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from credential-providers" -l out-file -d 'Write the result to this new file instead of standard output; an existing file is never overwritten' -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from credential-providers" -l algorithm -d 'Algorithm of the keys for which the input names no algorithm. Required for RSA keys (RSA_PSS_SHA_256, RSA_PKCS1_SHA_256, …), and for other keys that do not use their default algorithm (ECDSA_P384_SHA_256, ED25519PH, …)' -r
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from credential-providers" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from credential-providers" -l widen -d 'Where pullgate has no exact equivalent, admit more images than the original policy instead of fewer, and report each case'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from credential-providers" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "security-center" -d 'Alibaba Cloud Security Center: responses of DescribeAttestors and DescribeBinarySecurityPolicies'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "kritis" -d 'kritis and kritis-validation-hook: AttestationAuthority, GenericAttestationPolicy, AdmissionAllowlist'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "binauthz" -d 'Google\'s Binary Authorization: the policy of a project, and its attestors'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "cosign" -d 'Public keys of cosign'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "notation" -d 'The trust policy of notation, with its trust stores'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "containers" -d 'The policy.json of podman, skopeo and CRI-O'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "registries-d" -d 'The registries.d of podman, skopeo and CRI-O: a part of pullgate.toml that says where GPG signatures are stored'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "credential-providers" -d 'kubelet\'s CredentialProviderConfig: a part of pullgate.toml with the programs that print credentials'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand import; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "man" -d 'Write the man pages of all commands and configuration files to a directory'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "completions" -d 'Print the completions for a shell'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "schema" -d 'Print the JSON schema of a configuration file'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and not __fish_seen_subcommand_from man completions schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from man" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from man" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from completions" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from completions" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from schema" -l config -r -F
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from schema" -s h -l help -d 'Print help'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "man" -d 'Write the man pages of all commands and configuration files to a directory'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "completions" -d 'Print the completions for a shell'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "schema" -d 'Print the JSON schema of a configuration file'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand generate; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "serve" -d 'Run the signing service'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "check" -d 'Check signer.toml and pullgate.toml, and open the key and password files'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "status" -d 'Show the status of the running signer'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "request" -d 'Ask the running signer to sign images that it does not sign by itself: older images, parked images, and images of manual rules'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "sign" -d 'Sign images'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "keys" -d 'Generate, list and fetch keys'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "policy" -d 'Push policies and deny lists that nodes follow'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "import" -d 'Convert another system\'s policy to pullgate\'s format'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "generate" -d 'Generate man pages, completions and schemas'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and not __fish_seen_subcommand_from serve check status request sign keys policy import generate help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "generate" -d 'Generate a key pair, in a file or in a PKCS#11 token'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "public" -d 'Show the public key of a private key, with its fingerprint and ids'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "list" -d 'List the keys of each authenticator of the policy'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "fetch" -d 'Fetch and store the public keys that the policy names by `source`'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from keys" -f -a "sign" -d 'Sign a file, so that openssl and cosign verify-blob can verify it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "push" -d 'Push the policy in the configuration directory, with all files that it names, for nodes that follow it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "push-deny-list" -d 'Push a deny list, for nodes that follow it'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "security-center" -d 'Alibaba Cloud Security Center: responses of DescribeAttestors and DescribeBinarySecurityPolicies'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "kritis" -d 'kritis and kritis-validation-hook: AttestationAuthority, GenericAttestationPolicy, AdmissionAllowlist'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "binauthz" -d 'Google\'s Binary Authorization: the policy of a project, and its attestors'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "cosign" -d 'Public keys of cosign'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "notation" -d 'The trust policy of notation, with its trust stores'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "containers" -d 'The policy.json of podman, skopeo and CRI-O'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "registries-d" -d 'The registries.d of podman, skopeo and CRI-O: a part of pullgate.toml that says where GPG signatures are stored'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from import" -f -a "credential-providers" -d 'kubelet\'s CredentialProviderConfig: a part of pullgate.toml with the programs that print credentials'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "man" -d 'Write the man pages of all commands and configuration files to a directory'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "completions" -d 'Print the completions for a shell'
complete -c pullgate-signer -n "__fish_pullgate_signer_using_subcommand help; and __fish_seen_subcommand_from generate" -f -a "schema" -d 'Print the JSON schema of a configuration file'
