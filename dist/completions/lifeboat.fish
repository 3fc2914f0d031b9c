# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lifeboat_global_optspecs
    string join \n limit-upload= limit-download= threads= io-priority= v/verbose json config= tls-fingerprint= h/help V/version
end

function __fish_lifeboat_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_lifeboat_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_lifeboat_using_subcommand
    set -l cmd (__fish_lifeboat_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c lifeboat -n "__fish_lifeboat_needs_command" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s V -l version -d 'Print the version'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "check" -d 'Check whether this machine can be protected; each refusal comes with its reason and remedy'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "backup" -d 'Save all local filesystems and the machine\'s description into a repository'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "list" -d 'List the snapshots of a repository or medium'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "snapshots" -d 'List the snapshots of a repository or medium'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "ls" -d 'List what is in a snapshot'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "find" -d 'Find files in snapshots by name, time or size'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "diff" -d 'Show what changed from one snapshot to another'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "dump" -d 'Write a file of a snapshot, or a folder as a tar archive, to standard output'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "stats" -d 'Show what snapshots hold, and what that takes in the repository'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "mount" -d 'Show snapshots as a folder, read-only'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "browse" -d 'Search a snapshot on the screen and restore what is chosen'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "media" -d 'Build a recovery medium'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "rescue" -d 'Check, backup, and one bootable medium with everything, in one go'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "layout" -d 'Show the storage layout, the plan for this hardware, or what changed since a backup'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "restore" -d 'Restore files on a running machine, or the whole machine in the rescue system'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "compare" -d 'Compare an archive with this machine'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "verify" -d 'Read every byte of an archive and check it against its manifest'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "forget" -d 'Remove snapshots by rules, or by their ids'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "prune" -d 'Free the room of what no snapshot needs, in two runs'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "copy" -d 'Copy snapshots into another repository'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "drill" -d 'Rehearse a recovery from a medium in a virtual machine'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "status" -d 'Say how old backup, medium and rehearsal are, whether the layout still fits, and what is overdue'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "schedule" -d 'Turn on what runs by itself, as [schedule] in /etc/lifeboat.toml has it'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "notify" -d 'Report a failed unit by mail or webhook, or send a test message'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "serve" -d 'Serve a room of machines: their archives, what they boot from, and a status page'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "logs" -d 'Save the logs of the rescue system to a folder, a device or a server'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "key" -d 'Create, show, add and remove repository keys'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "storage" -d 'In the rescue system: md arrays, LVM, LUKS and multipath, read-only'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l to -d 'The repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; usb or usb:ID for a stick of \'media usb\'; or a stream: stream:FILE, stream:DIR/NAME,size=650M for files of that size, stream:- for standard output, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l exclude -d 'Leave this path out, with everything below it, or all that fits a pattern, e.g. \'**/*.tmp\'; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l exclude-file -d 'Leave out what this file names, a path or a pattern on each line; empty lines and those that begin with # count for nothing; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l wait-lock -d 'How long to wait while another program holds the repository exclusively, as `restic prune` does' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l compression -d 'zstd level of what is stored, -7 (fast) to 22 (small) [default: 1, of a stream 3]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l init -d 'Make the repository when there is none. Without it a missing one is an error: its disk or share may not be mounted'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l own-disk -d 'With --init: make it even on a filesystem that is being backed up, with which it would be lost'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l force -d 'Overwrite a tape that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -s n -l dry-run -d 'Show what would be saved and left out, and whether there is room; nothing is written'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l machine -l host -d 'List only snapshots of this machine; not with --long, where the snapshot says it' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s l -l long -d 'List what is in a snapshot, as \'lifeboat ls\' does: SNAPSHOT [PATH]...'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l machine -l host -d 'List only snapshots of this machine; not with --long, where the snapshot says it' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -s l -l long -d 'List what is in a snapshot, as \'lifeboat ls\' does: SNAPSHOT [PATH]...'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand snapshots" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -s l -l long -d 'Show one line for each entry, with mode, owner, size and time'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -s R -l recursive -d 'List everything below, too'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -s d -l directory -d 'Show a folder itself instead of what is in it'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -s n -l numeric -d 'Show numbers instead of the names that the archived machine has for owners and groups'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand ls" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -s s -l snapshot -d 'Use only this snapshot: \'latest\', or the beginning of an id; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l machine -l host -d 'Use the snapshots of this machine' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l oldest -d 'Find only entries that were modified at this time or later, e.g. 2026-11-30 or \'2026-11-30 14:00\'' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l newest -d 'Find only entries that were modified at this time or earlier' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l larger -d 'Find only files of this size or more, e.g. 100M' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l smaller -d 'Find only files of this size or less' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l all-machines -d 'Use the snapshots of all machines'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -s i -l ignore-case -l iname -d 'Ignore the difference between upper and lower case'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -s l -l long -d 'Show one line for each entry, with mode, owner, size and time'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand find" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l content -d 'Show only what came, went, or has other content; not what differs in mode, owner, times or attributes alone'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand diff" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -s t -l target -l out -d 'Write to this new file instead of standard output' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l tar -d 'Write a single file as a tar archive, too'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand dump" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -s s -l snapshot -d 'Use only this snapshot: \'latest\', or the beginning of an id; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l machine -l host -d 'Use the snapshots of this machine' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l all-machines -d 'Use the snapshots of all machines'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand stats" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -s s -l snapshot -d 'Use only this snapshot: \'latest\', or the beginning of an id; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l machine -l host -d 'Use the snapshots of this machine' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l cache -d 'Memory for decoded content' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l all-machines -d 'Use the snapshots of all machines'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l allow-other -d 'Let other users look in, as far as the modes of the files allow; for snapshots of this machine alone'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand mount" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l to -d 'Offer this folder as the place to restore to' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand browse" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "iso" -d 'A disc image that boots on BIOS and UEFI, from discs and USB sticks'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "usb" -d 'A USB stick, or an image of one, that boots and holds a repository for this and later backups'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "netboot" -d 'A machine in a boot tree, from which machines start over the network: PXE, HTTP boot and iPXE'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "tape" -d 'A tape with a backup taken now; with --obdr one that boots by itself'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "set" -d 'Several discs with a backup taken now, of which the first boots: CDs, DVDs or Blu-rays, as images or burned'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "label" -d 'Print a page for the case of a medium: what it is, how to boot it, where its key is, its id as a QR code'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "refresh" -d 'Build the medium of the routine again if kernel, boot loader or layout changed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso usb netboot tape set label refresh help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l out -d 'The image to write' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l from -d 'Embed the latest snapshot of this repository' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l snapshot -d 'Embed this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l source -d 'Where recovery reads the archive from: nfs://, smb://, http(s)://, rest:, sftp:// or s3://, disk:UUID=…:/PATH, or a stream: tape, stream:disk:UUID=…:/PATH. With --embed-key the medium carries the names and passwords for it, too' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l kernel -d 'Kernel release to boot [default: the running one, or the newest below --sysroot]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l mode -d 'Mode that the menu starts by itself; nuke erases disks without asking' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l timeout -d 'Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l append -d 'More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l compression -d 'zstd level of the rescue system, 1 to 22' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l layout -d 'The layout on which the machine comes back: a description that \'lifeboat layout edit\' wrote' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l exclude -d 'Leave this path out, with everything below it, or all that fits a pattern, e.g. \'**/*.tmp\'; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l exclude-file -d 'Leave out what this file names, a path or a pattern on each line; empty lines and those that begin with # count for nothing; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l backup -d 'Take a backup now and embed it'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l rescue-only -d 'Put no archive on the medium; recovery reads it from elsewhere'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l force -d 'Replace an existing image, take a disk that cannot be unplugged as a stick, or overwrite a tape or disc that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l to -d 'The stick, as a whole disk: /dev/sdX; or the file of an image' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l size -d 'Size of a new image, e.g. 8G' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l from -d 'Put the latest snapshot of this repository onto the stick instead of a new backup' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l snapshot -d 'Put this snapshot onto it instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l kernel -d 'Kernel release to boot [default: the running one, or the newest below --sysroot]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l mode -d 'Mode that the menu starts by itself; nuke erases disks without asking' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l timeout -d 'Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l append -d 'More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l compression -d 'zstd level of the rescue system, 1 to 22' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l layout -d 'The layout on which the machine comes back: a description that \'lifeboat layout edit\' wrote' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l exclude -d 'Leave this path out, with everything below it, or all that fits a pattern, e.g. \'**/*.tmp\'; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l exclude-file -d 'Leave out what this file names, a path or a pattern on each line; empty lines and those that begin with # count for nothing; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l no-backup -d 'Make an empty repository: the first backup comes later'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -s y -l yes -d 'Do not ask before everything on the device is overwritten'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l no-verify -d 'Read only partition table, loaders and filesystem back when they are written, and not every byte'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -s n -l dry-run -d 'Show what would be saved and whether there is room; nothing is written'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l force -d 'Replace an existing image, take a disk that cannot be unplugged as a stick, or overwrite a tape or disc that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from usb" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l out -d 'The boot tree: a folder of its own, or the folder boot of a server that \'lifeboat serve\' runs. Other machines stay in it' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l source -d 'Where recovery reads the archive from: nfs://, smb://, http(s)://, rest:, sftp:// or s3://, or what \'media iso --source\' takes. With --embed-key the rescue system carries the key and the names and passwords for it [default: the repository of lifeboat.toml]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l from -d 'Put the latest snapshot of this repository into the boot tree: then recovery needs nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l snapshot -d 'Put this snapshot into it instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l mac -d 'Hardware address of a network card by which the machine is known; may be repeated [default: those that it has]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l url -d 'Address of the tree for machines that start from it [default: http://SERVER/boot, the server that they start from]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l remove -d 'Take a machine out of the tree: its name, or that of its folder' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l kernel -d 'Kernel release to boot [default: the running one, or the newest below --sysroot]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l mode -d 'Mode that the menu starts by itself; nuke erases disks without asking' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l timeout -d 'Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l append -d 'More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l compression -d 'zstd level of the rescue system, 1 to 22' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l layout -d 'The layout on which the machine comes back: a description that \'lifeboat layout edit\' wrote' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l force -d 'Replace an existing image, take a disk that cannot be unplugged as a stick, or overwrite a tape or disc that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from netboot" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l to -d 'The drive: tape, if there is one only, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l kernel -d 'Kernel release to boot [default: the running one, or the newest below --sysroot]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l mode -d 'Mode that the menu starts by itself; nuke erases disks without asking' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l timeout -d 'Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l append -d 'More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l compression -d 'zstd level of the rescue system, 1 to 22' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l layout -d 'The layout on which the machine comes back: a description that \'lifeboat layout edit\' wrote' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l exclude -d 'Leave this path out, with everything below it, or all that fits a pattern, e.g. \'**/*.tmp\'; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l exclude-file -d 'Leave out what this file names, a path or a pattern on each line; empty lines and those that begin with # count for nothing; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l obdr -d 'Begin the tape with a rescue system, from which drives with One-Button Disaster Recovery boot'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l no-verify -d 'Do not read the archive back when it was written'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l force -d 'Replace an existing image, take a disk that cannot be unplugged as a stick, or overwrite a tape or disc that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from tape" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l out -d 'Where the images of the discs go: a folder, in which they are called after machine, day and set; or what their names begin with: /srv/web1 for /srv/web1-disc1.iso and so on' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l burn -d 'Burn the discs in this drive, which asks for one after the other; given several times, in several drives in turn' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l size -d 'What fits on a disc: cd, dvd, dvd-dl, bd, bd-dl, or a size such as 650M' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l kernel -d 'Kernel release to boot [default: the running one, or the newest below --sysroot]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l mode -d 'Mode that the menu starts by itself; nuke erases disks without asking' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l timeout -d 'Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l append -d 'More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l compression -d 'zstd level of the rescue system, 1 to 22' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l layout -d 'The layout on which the machine comes back: a description that \'lifeboat layout edit\' wrote' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l exclude -d 'Leave this path out, with everything below it, or all that fits a pattern, e.g. \'**/*.tmp\'; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l exclude-file -d 'Leave out what this file names, a path or a pattern on each line; empty lines and those that begin with # count for nothing; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l no-verify -d 'Do not read the archive back as a whole when all images are written; each disc is compared when it is written in any case'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -s n -l dry-run -d 'Show what would be saved, whether there is room, and how many discs it comes to at most; nothing is written'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l force -d 'Replace an existing image, take a disk that cannot be unplugged as a stick, or overwrite a tape or disc that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l ascii -d 'Draw the QR code with plain ASCII, for a printer that has nothing else'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from label" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l out -d 'The image, or a stick of \'media usb\': usb, usb:ID, its device or image [default: \'medium_file\' in [schedule]]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l always -d 'Build it although nothing changed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l show -d 'Only say whether it is out of date, and why; exit code 4 when it is'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from refresh" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "iso" -d 'A disc image that boots on BIOS and UEFI, from discs and USB sticks'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "usb" -d 'A USB stick, or an image of one, that boots and holds a repository for this and later backups'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "netboot" -d 'A machine in a boot tree, from which machines start over the network: PXE, HTTP boot and iPXE'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "tape" -d 'A tape with a backup taken now; with --obdr one that boots by itself'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "set" -d 'Several discs with a backup taken now, of which the first boots: CDs, DVDs or Blu-rays, as images or burned'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "label" -d 'Print a page for the case of a medium: what it is, how to boot it, where its key is, its id as a QR code'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "refresh" -d 'Build the medium of the routine again if kernel, boot loader or layout changed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l out -d 'The image to write' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l kernel -d 'Kernel release to boot [default: the running one, or the newest below --sysroot]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l mode -d 'Mode that the menu starts by itself; nuke erases disks without asking' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l timeout -d 'Seconds before the menu starts its default [default: 30 for a harmless one, 10 for --mode]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l append -d 'More kernel parameters, e.g. "lifeboat.after=poweroff"; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l compression -d 'zstd level of the rescue system, 1 to 22' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l layout -d 'The layout on which the machine comes back: a description that \'lifeboat layout edit\' wrote' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l exclude -d 'Leave this path out, with everything below it, or all that fits a pattern, e.g. \'**/*.tmp\'; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l exclude-file -d 'Leave out what this file names, a path or a pattern on each line; empty lines and those that begin with # count for nothing; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -s n -l dry-run -d 'Show what would be saved and left out, and whether there is room; nothing is written'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l force -d 'Replace an existing image, take a disk that cannot be unplugged as a stick, or overwrite a tape or disc that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -f -a "show" -d 'The machine as text, or as JSON with --json'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -f -a "plan" -d 'What a recovery would do to this hardware; nothing is touched'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -f -a "diff" -d 'What changed since the machine was recorded'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -f -a "edit" -d 'Write a description with another layout: RAID, LVM or encryption more or less, other disks; in $EDITOR without a move'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff edit help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l from -d 'Show the machine of an archive or medium instead of this one' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l snapshot -d 'Show the machine of this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l from -d 'The archive or medium whose machine is to be recovered' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l snapshot -d 'Plan for this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l layout -d 'Plan for the layout of this description, which \'lifeboat layout edit\' wrote; without --from for this machine' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l onto -d 'Plan for the disks of this description instead of those that are here: sizes, sector sizes, serial numbers as JSON; or for an edited machine description with its own disks, of which --layout takes the disks alone. Without --from for this machine' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l wipe -d 'Allow a disk to be wiped although it holds foreign data: WWN, serial, hardware path or /dev path; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l map -d 'Put a recorded disk onto another one, e.g. disk0:/dev/sdb; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l no-resize -d 'Keep all sizes, even on a larger disk'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l any-firmware -d 'Continue although the firmware found here starts none of the machine\'s boot loaders'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l from -d 'The archive or medium to compare with' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l snapshot -d 'Compare with this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l storage -d 'Only the storage layout: disks, partitions, volumes, filesystems, mounts; not kernel, boot loader or network'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l out -d 'Where the new description goes' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l raid1-to-disk -d 'Drop an array: its content goes onto one of its members, MEMBER or the first; for RAID 1 and every other level' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l from-lvm -d 'Put the content of an LVM volume onto a partition; a group without volumes is dropped' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l decrypt -d 'Remove the encryption (LUKS) of a device' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l add-disk -d 'Add a disk that the machine did not have, found by its serial number or WWN, or any that fits' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l move -d 'Move a partition, or all that is on a disk, to another disk; a disk on which nothing is left is dropped' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l filesystem -d 'Make a filesystem one of another kind: ext4, xfs, btrfs, ext3, ext2' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l disk-to-raid1 -d 'Mirror all that is on a disk on a second one: an empty disk of the description, or a new one, found by its serial number or WWN, or any that fits' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l to-lvm -d 'Put the content of a device onto a new LVM volume, in a group of that name: one that is there, a new one on empty disks, or a new one on the device itself' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l encrypt -d 'Encrypt a device (LUKS2), under a name below /dev/mapper; the recovery asks for the passphrase' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l luks-key -d 'The key of devices encrypted with --encrypt is the content of this file of the machine, instead of a passphrase: needed for nuke' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from edit" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "show" -d 'The machine as text, or as JSON with --json'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "plan" -d 'What a recovery would do to this hardware; nothing is touched'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "diff" -d 'What changed since the machine was recorded'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "edit" -d 'Write a description with another layout: RAID, LVM or encryption more or less, other disks; in $EDITOR without a move'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l to -d 'Restore below this folder instead of to the original places' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l snapshot -d 'Restore this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s i -l include -d 'Restore only what fits this pattern, with what is below it; may be repeated. * and ? stand for characters of a name, ** for any folders' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s e -l exclude -d 'Leave out what fits this pattern, with what is below it; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l as -d 'Restore the single PATH under this name: into --to DIR, or beside the original' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l overwrite -d 'What happens to files that are there: replace them, only those that differ in type, size, time, owner or mode, only those that are newer in the archive, or never' -r -f -a "always\t'Replace it'
if-changed\t'Replace what differs in type, size, modification time, owner or mode'
if-newer\t'Replace what was modified later in the archive'
never\t'Leave it as it is'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l stage -d 'In the rescue system: only this stage of the machine\'s recovery; the next one continues from there' -r -f -a "plan\t'Show what would be done to which disks'
rebuild\t'Wipe the disks, make partitions and filesystems, mount them below /target'
extract\t'Restore the files and compare them with the archive'
boot\t'Make it bootable, unmount it'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l layout -d 'In the rescue system: the layout on which the machine comes back, a description that \'lifeboat layout edit\' wrote' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l mode -d 'In the rescue system: the mode that the boot process starts' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l rescue-root -d 'In tests: a directory with the files of a rescue system, in place of /' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l wipe -d 'Allow a disk to be wiped although it holds foreign data: WWN, serial, hardware path or /dev path; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l map -d 'Put a recorded disk onto another one, e.g. disk0:/dev/sdb; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l inside -d 'Restore what is in the single PATH, a folder, directly into --to DIR, without the folders that lead to it'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s n -l dry-run -d 'Show what would be restored and replaced, and whether there is room; nothing is written'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l resume -d 'In the rescue system: continue a recovery where it stopped'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l damaged -d 'In the rescue system: recover what is left of a damaged archive; what is lost is listed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l no-resize -d 'Keep all sizes, even on a larger disk'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l any-firmware -d 'Continue although the firmware found here starts none of the machine\'s boot loaders'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l snapshot -d 'Compare this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l root -d 'Compare with the tree below this folder instead of /; in the rescue system, instead of the disks, which are mounted read-only for it' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l from -d 'The repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3:// [default: \'repository\' in /etc/lifeboat.toml]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l wait-lock -d 'How long to wait while another program holds the repository in a way that stands against this' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-last -d 'Keep the last N snapshots; N may be \'unlimited\' here and below' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-hourly -d 'Keep the last snapshot of each of the last N hours that have one' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-daily -d 'The same of days' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-weekly -d 'The same of weeks' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-monthly -d 'The same of months' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-yearly -d 'The same of years' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-within -d 'Keep all that are not older than the latest by more than this, e.g. 14d, 36h, 1y6m' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-within-hourly -d 'Of these keep the last of each hour' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-within-daily -d 'The same of days' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-within-weekly -d 'The same of weeks' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-within-monthly -d 'The same of months' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-within-yearly -d 'The same of years' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l keep-tag -d 'Keep snapshots that have this tag, or all of several: TAG,TAG; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l machine -l host -d 'Apply the rules to the snapshots of this machine, by its name, or by the beginning of its machine id [default: this machine]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l max-unused -d 'Leave this much that nobody needs in packs that are partly needed: e.g. 5%, 2G or unlimited' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l max-repack-size -d 'Copy no more than this out of packs that are mostly useless, e.g. 20G' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l grace -d 'Hours for which packs stay marked before a later run removes them. Programs that take no locks (rustic) may take so long to write a snapshot' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -s n -l dry-run -d 'Show what would be done, and change nothing'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l all-machines -l all -d 'Apply the rules to every machine in the repository, and to what restic saved there, each by itself'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l prune -d 'Run \'lifeboat prune\' afterwards'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand forget" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l from -d 'The repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3:// [default: \'repository\' in /etc/lifeboat.toml]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l wait-lock -d 'How long to wait while another program holds the repository in a way that stands against this' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l max-unused -d 'Leave this much that nobody needs in packs that are partly needed: e.g. 5%, 2G or unlimited' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l max-repack-size -d 'Copy no more than this out of packs that are mostly useless, e.g. 20G' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l grace -d 'Hours for which packs stay marked before a later run removes them. Programs that take no locks (rustic) may take so long to write a snapshot' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -s n -l dry-run -d 'Show what would be done, and change nothing'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand prune" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l from -d 'The repository or medium to copy from [default: \'repository\' in /etc/lifeboat.toml]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l to -d 'The repository to copy to' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -s s -l snapshot -d 'Use only this snapshot: \'latest\', or the beginning of an id; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l machine -l host -d 'Use the snapshots of this machine' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l to-key-file -d 'File with the key of the repository to copy to [default: the key of the other one]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l wait-lock -d 'How long to wait while another program holds the repository to copy to exclusively' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l all-machines -d 'Use the snapshots of all machines'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l init -d 'Make the repository to copy to when there is none'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -s n -l dry-run -d 'Show what would be copied, and change nothing'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand copy" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l report -d 'Folder for the report: report.txt, report.json, report.html [default: lifeboat-drill, or /var/lib/lifeboat/drill for the medium of the routine]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l memory -d 'Memory of the virtual machine in MiB' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l command -d 'Command to run in the recovered machine; the drill passes when it ends with 0. Needs a shell on the serial console' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l expect -d 'Text that the recovered machine shows on its serial console when it has booted [default: its login prompt]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l work-dir -d 'Folder for the virtual machine\'s disks; needs as much room as the restored files' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l size-factor -d 'Make the disks this many times as large as the machine\'s' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l deadline -d 'Seconds that the whole drill may take' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l stick -d 'Plug the medium in as a USB stick instead of a disc'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l from -d 'Look into this repository instead of the configured one' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l prometheus -d 'Write the result for Prometheus\' textfile collector, too; the file appears as a whole, and others may read it' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand status" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l sysroot -d 'Work on the root filesystem in this folder; nothing is started' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l show -d 'Show what runs when, and change nothing'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l off -d 'Turn everything off again'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand schedule" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l unit -d 'The unit that failed, as systemd names it [default: none, a test message is sent]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand notify" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l listen -d 'Listen here, in place of what serve.toml says; may be given several times [default: [::]:8000]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l netboot -d 'Offer the boot tree to machines that start on this network link, beside the DHCP server there: PXE, HTTP boot and TFTP. Needs root' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l add-token -d 'Add a token of this name to serve.toml, print its secret once, and serve nothing. A server that runs takes it over by itself' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l right -d 'What the token allows: read-only, append-only (add files; remove nothing but locks), full, or view (the status page, metrics and API)' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l path -d 'The repository, or folder of repositories, that the token is for [default: the whole store]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l quota -d 'The most that may lie there: 500G, 2T' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l of-machine -d 'The machine that the token belongs to, when it is called otherwise' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l overdue -d 'The age at which the machine\'s last backup is overdue: 36h, 8d [default: that of serve.toml, 2d without one]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l known-only -d 'Answer only machines whose network cards are in the boot tree'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l uefi-pxe -d 'Offer it to UEFI by PXE, too, and not by HTTP boot alone: only where the DHCP server of the network names this server as its next server, for GRUB looks for its menu there'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l only-netboot -d 'Serve nothing but that: no store and no status page'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand serve" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l to -d 'Where to save them, in a new folder: a folder, a block device with a filesystem, or nfs://, smb://, sftp:// or s3://. No key is among them' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -f -a "create" -d 'Create a key file and print its recovery words'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -f -a "show" -d 'Print the recovery words of a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -f -a "import" -d 'Write a key file from recovery words, read from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -f -a "list" -d 'List the keys that open a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -f -a "add" -d 'Let another key open a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -f -a "remove" -d 'Remove a key from a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l key-file -d 'The key file [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l key-file -d 'The key file [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l age -d 'Print what `age -d -i` takes instead, to read streams without Lifeboat'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l key-file -d 'The key file [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l from -d 'A repository: a folder, or nfs://, smb://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l to -d 'The repository' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l new-key-file -d 'File with the key to add; it is created when it does not exist' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l new-passphrase -d 'Add a passphrase of your own instead: it is asked for, or read from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l to -d 'The repository' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l passphrase -d 'Ask for a passphrase that \'lifeboat key add --new-passphrase\' set; not on a terminal, read it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "create" -d 'Create a key file and print its recovery words'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print the recovery words of a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "import" -d 'Write a key file from recovery words, read from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the keys that open a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "add" -d 'Let another key open a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "remove" -d 'Remove a key from a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "show" -d 'List what is active, on which disks, and what is not'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "activate" -d 'Assemble md arrays and activate volume groups and multipath, read-only: nothing on the disks changes'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "unlock" -d 'Open a LUKS device, read-only; asks for its passphrase, or reads it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "login" -d 'Log in at an iSCSI target; names and passwords for CHAP must be in /etc/iscsi/iscsid.conf first'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "release" -d 'Stop everything that is not in use, so that the disks below can be rebuilt'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l incomplete -d 'Start arrays and groups that lack members as well, if the rest holds all data'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l limit-upload -d 'Send no more than this to servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l limit-download -d 'Receive no more than this from servers over HTTP, S3 and SFTP' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l threads -d 'Use at most this many processors, programs that are started included' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l io-priority -d 'Let others use the disks first: low, or idle (only when nobody else does)' -r -f -a "normal\t'As every program'
low\t'After all programs with normal priority'
idle\t'Only when nothing else uses the disk; on a busy machine that may be never'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l tls-fingerprint -d 'Know an HTTPS server by the SHA-256 fingerprint of its certificate, as \'lifeboat serve\' prints it, and by nothing else' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "show" -d 'List what is active, on which disks, and what is not'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "activate" -d 'Assemble md arrays and activate volume groups and multipath, read-only: nothing on the disks changes'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "unlock" -d 'Open a LUKS device, read-only; asks for its passphrase, or reads it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "login" -d 'Log in at an iSCSI target; names and passwords for CHAP must be in /etc/iscsi/iscsid.conf first'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "release" -d 'Stop everything that is not in use, so that the disks below can be rebuilt'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "check" -d 'Check whether this machine can be protected; each refusal comes with its reason and remedy'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "backup" -d 'Save all local filesystems and the machine\'s description into a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "list" -d 'List the snapshots of a repository or medium'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "ls" -d 'List what is in a snapshot'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "find" -d 'Find files in snapshots by name, time or size'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "diff" -d 'Show what changed from one snapshot to another'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "dump" -d 'Write a file of a snapshot, or a folder as a tar archive, to standard output'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "stats" -d 'Show what snapshots hold, and what that takes in the repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "mount" -d 'Show snapshots as a folder, read-only'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "browse" -d 'Search a snapshot on the screen and restore what is chosen'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "media" -d 'Build a recovery medium'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "rescue" -d 'Check, backup, and one bootable medium with everything, in one go'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "layout" -d 'Show the storage layout, the plan for this hardware, or what changed since a backup'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "restore" -d 'Restore files on a running machine, or the whole machine in the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "compare" -d 'Compare an archive with this machine'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "verify" -d 'Read every byte of an archive and check it against its manifest'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "forget" -d 'Remove snapshots by rules, or by their ids'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "prune" -d 'Free the room of what no snapshot needs, in two runs'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "copy" -d 'Copy snapshots into another repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "drill" -d 'Rehearse a recovery from a medium in a virtual machine'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "status" -d 'Say how old backup, medium and rehearsal are, whether the layout still fits, and what is overdue'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "schedule" -d 'Turn on what runs by itself, as [schedule] in /etc/lifeboat.toml has it'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "notify" -d 'Report a failed unit by mail or webhook, or send a test message'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "serve" -d 'Serve a room of machines: their archives, what they boot from, and a status page'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "logs" -d 'Save the logs of the rescue system to a folder, a device or a server'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "key" -d 'Create, show, add and remove repository keys'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "storage" -d 'In the rescue system: md arrays, LVM, LUKS and multipath, read-only'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list ls find diff dump stats mount browse media rescue layout restore compare verify forget prune copy drill status schedule notify serve logs key storage help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "iso" -d 'A disc image that boots on BIOS and UEFI, from discs and USB sticks'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "usb" -d 'A USB stick, or an image of one, that boots and holds a repository for this and later backups'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "netboot" -d 'A machine in a boot tree, from which machines start over the network: PXE, HTTP boot and iPXE'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "tape" -d 'A tape with a backup taken now; with --obdr one that boots by itself'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "set" -d 'Several discs with a backup taken now, of which the first boots: CDs, DVDs or Blu-rays, as images or burned'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "label" -d 'Print a page for the case of a medium: what it is, how to boot it, where its key is, its id as a QR code'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "refresh" -d 'Build the medium of the routine again if kernel, boot loader or layout changed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from layout" -f -a "show" -d 'The machine as text, or as JSON with --json'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from layout" -f -a "plan" -d 'What a recovery would do to this hardware; nothing is touched'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from layout" -f -a "diff" -d 'What changed since the machine was recorded'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from layout" -f -a "edit" -d 'Write a description with another layout: RAID, LVM or encryption more or less, other disks; in $EDITOR without a move'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "create" -d 'Create a key file and print its recovery words'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "show" -d 'Print the recovery words of a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "import" -d 'Write a key file from recovery words, read from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "list" -d 'List the keys that open a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "add" -d 'Let another key open a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from key" -f -a "remove" -d 'Remove a key from a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from storage" -f -a "show" -d 'List what is active, on which disks, and what is not'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from storage" -f -a "activate" -d 'Assemble md arrays and activate volume groups and multipath, read-only: nothing on the disks changes'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from storage" -f -a "unlock" -d 'Open a LUKS device, read-only; asks for its passphrase, or reads it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from storage" -f -a "login" -d 'Log in at an iSCSI target; names and passwords for CHAP must be in /etc/iscsi/iscsid.conf first'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from storage" -f -a "release" -d 'Stop everything that is not in use, so that the disks below can be rebuilt'
