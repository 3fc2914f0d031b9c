# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_lifeboat_global_optspecs
    string join \n v/verbose json config= h/help
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

complete -c lifeboat -n "__fish_lifeboat_needs_command" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "check" -d 'Check whether this machine can be protected; each refusal comes with its reason and remedy'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "backup" -d 'Save all local filesystems and the machine\'s description into a repository'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "list" -d 'List the snapshots of a repository or medium'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "media" -d 'Build a recovery medium'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "rescue" -d 'Check, backup, and one bootable medium with everything, in one go'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "layout" -d 'Show the storage layout, the plan for this hardware, or what changed since a backup'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "restore" -d 'Restore files on a running machine, or the whole machine in the rescue system'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "compare" -d 'Compare an archive with this machine'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "verify" -d 'Read every byte of an archive and check it against its manifest'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "drill" -d 'Rehearse a recovery from a medium in a virtual machine'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "logs" -d 'Save the logs of the rescue system to a folder, a device or a server'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "key" -d 'Create, show, add and remove repository keys'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "storage" -d 'In the rescue system: md arrays, LVM, LUKS and multipath, read-only'
complete -c lifeboat -n "__fish_lifeboat_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand check" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l to -d 'The repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a stream: stream:FILE, stream:DIR/NAME,size=650M for files of that size, stream:- for standard output, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l exclude -d 'Leave this path out, with everything below it; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l machine -d 'Use this machine description instead of probing (for a root filesystem in a folder)' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l wait-lock -d 'How long to wait while another program holds the repository exclusively, as `restic prune` does' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l init -d 'Make the repository when there is none. Without it a missing one is an error: its disk or share may not be mounted'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l own-disk -d 'With --init: make it even on a filesystem that is being backed up, with which it would be lost'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l force -d 'Overwrite a tape that holds something'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand backup" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l from -d 'A repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand list" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso help" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso help" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso help" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso help" -f -a "iso" -d 'A disc image that boots on BIOS and UEFI, from discs and USB sticks'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and not __fish_seen_subcommand_from iso help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l out -d 'The image to write' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l from -d 'Embed the latest snapshot of this repository' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l snapshot -d 'Embed this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l source -d 'Where recovery reads the archive from: nfs://, http(s)://, rest:, sftp:// or s3://, or disk:UUID=…:/PATH. With --embed-key the medium carries the names and passwords for it, too' -r
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
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l exclude -d 'Leave this path out, with everything below it; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l backup -d 'Take a backup now and embed it'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l rescue-only -d 'Put no archive on the medium; recovery reads it from elsewhere'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l force -d 'Replace an existing image'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from iso" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand media; and __fish_seen_subcommand_from help" -f -a "iso" -d 'A disc image that boots on BIOS and UEFI, from discs and USB sticks'
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
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l work-dir -d 'Folder for temporary files, with room for the archive and 1 GB more [default: /var/tmp, or the folder of the image when /var/tmp is too small]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l exclude -d 'Leave this path out, with everything below it; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l exclude-contents -d 'Keep this directory but leave out what it holds; may be repeated' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l embed-key -d 'Put the repository key on the medium: anyone who has the medium can then read the archive. Needed for nuke'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l no-firmware -d 'Leave firmware files out of the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l force -d 'Replace an existing image'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand rescue" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -f -a "show" -d 'The machine as text, or as JSON with --json'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -f -a "plan" -d 'What a recovery would do to this hardware; nothing is touched'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -f -a "diff" -d 'What changed since the machine was recorded'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and not __fish_seen_subcommand_from show plan diff help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l from -d 'Show the machine of an archive or medium instead of this one' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l snapshot -d 'Show the machine of this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l from -d 'The archive or medium whose machine is to be recovered' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l snapshot -d 'Plan for this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l wipe -d 'Allow a disk to be wiped although it holds foreign data: WWN, serial, hardware path or /dev path; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l map -d 'Put a recorded disk onto another one, e.g. disk0:/dev/sdb; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l no-resize -d 'Keep all sizes, even on a larger disk'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l any-firmware -d 'Continue although the firmware found here starts none of the machine\'s boot loaders'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from plan" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l from -d 'The archive or medium to compare with' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l snapshot -d 'Compare with this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l sysroot -d 'Work on the root filesystem in this folder: kernel, modules and programs are taken from there' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "show" -d 'The machine as text, or as JSON with --json'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "plan" -d 'What a recovery would do to this hardware; nothing is touched'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "diff" -d 'What changed since the machine was recorded'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand layout; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l from -d 'A repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l to -d 'Restore below this folder instead of to the original places' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l snapshot -d 'Restore this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l stage -d 'In the rescue system: only this stage of the machine\'s recovery; the next one continues from there' -r -f -a "plan\t'Show what would be done to which disks'
rebuild\t'Wipe the disks, make partitions and filesystems, mount them below /target'
extract\t'Restore the files and compare them with the archive'
boot\t'Make it bootable, unmount it'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l mode -d 'In the rescue system: the mode that the boot process starts' -r -f -a "interactive\t'Guided recovery on the screen or a serial console'
nuke\t'Unattended recovery'
compare\t'Archive against disks, read-only'
expert\t'A shell'"
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l rescue-root -d 'In tests: a directory with the files of a rescue system, in place of /' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l wipe -d 'Allow a disk to be wiped although it holds foreign data: WWN, serial, hardware path or /dev path; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l map -d 'Put a recorded disk onto another one, e.g. disk0:/dev/sdb; may be repeated' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l resume -d 'In the rescue system: continue a recovery where it stopped'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l damaged -d 'In the rescue system: recover what is left of a damaged archive; what is lost is listed'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l no-resize -d 'Keep all sizes, even on a larger disk'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l any-firmware -d 'Continue although the firmware found here starts none of the machine\'s boot loaders'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l from -d 'A repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l snapshot -d 'Compare this snapshot instead of the latest' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l root -d 'Compare with the tree below this folder instead of /; in the rescue system, instead of the disks, which are mounted read-only for it' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand compare" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l from -d 'A repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand verify" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l report -d 'Folder for the report: report.txt, report.json, report.html' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l memory -d 'Memory of the virtual machine in MiB' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l command -d 'Command to run in the recovered machine; the drill passes when it ends with 0. Needs a shell on the serial console' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l expect -d 'Text that the recovered machine shows on its serial console when it has booted [default: its login prompt]' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l work-dir -d 'Folder for the virtual machine\'s disks; needs as much room as the restored files' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l size-factor -d 'Make the disks this many times as large as the machine\'s' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l deadline -d 'Seconds that the whole drill may take' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l stick -d 'Plug the medium in as a USB stick instead of a disc'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand drill" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l to -d 'Where to save them, in a new folder: a folder, a block device with a filesystem, or nfs://, sftp:// or s3://. No key is among them' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand logs" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and not __fish_seen_subcommand_from create show import list add remove help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
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
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from create" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l key-file -d 'The key file [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l age -d 'Print what `age -d -i` takes instead, to read streams without Lifeboat'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l key-file -d 'The key file [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l from -d 'A repository: a folder, or nfs://, sftp://, rest:http(s):// or s3://; or a medium: its file, device, mount point or http(s):// address; or a stream: stream:FILE, stream:DIR/NAME, stream:- for standard input, or tape:/dev/nst0' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l to -d 'The repository' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l new-key-file -d 'File with the key to add; it is created when it does not exist' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l words -d 'Ask for the recovery words instead of reading a key file'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l to -d 'The repository' -r
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l key-file -d 'File with the repository key [default: /etc/lifeboat/repository.key]' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand key; and __fish_seen_subcommand_from remove" -l words -d 'Ask for the recovery words instead of reading a key file'
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
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "show" -d 'List what is active, on which disks, and what is not'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "activate" -d 'Assemble md arrays and activate volume groups and multipath, read-only: nothing on the disks changes'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "unlock" -d 'Open a LUKS device, read-only; asks for its passphrase, or reads it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "login" -d 'Log in at an iSCSI target; names and passwords for CHAP must be in /etc/iscsi/iscsid.conf first'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "release" -d 'Stop everything that is not in use, so that the disks below can be rebuilt'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and not __fish_seen_subcommand_from show activate unlock login release help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l incomplete -d 'Start arrays and groups that lack members as well, if the rest holds all data'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from activate" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from unlock" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from login" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l config -d 'Read this configuration instead of /etc/lifeboat.toml' -r -F
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -s v -l verbose -d 'Log more to standard error; given twice, log the programs that are run as well'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -l json -d 'Write JSON lines instead of text'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "show" -d 'List what is active, on which disks, and what is not'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "activate" -d 'Assemble md arrays and activate volume groups and multipath, read-only: nothing on the disks changes'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "unlock" -d 'Open a LUKS device, read-only; asks for its passphrase, or reads it from standard input'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "login" -d 'Log in at an iSCSI target; names and passwords for CHAP must be in /etc/iscsi/iscsid.conf first'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "release" -d 'Stop everything that is not in use, so that the disks below can be rebuilt'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand storage; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "check" -d 'Check whether this machine can be protected; each refusal comes with its reason and remedy'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "backup" -d 'Save all local filesystems and the machine\'s description into a repository'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "list" -d 'List the snapshots of a repository or medium'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "media" -d 'Build a recovery medium'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "rescue" -d 'Check, backup, and one bootable medium with everything, in one go'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "layout" -d 'Show the storage layout, the plan for this hardware, or what changed since a backup'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "restore" -d 'Restore files on a running machine, or the whole machine in the rescue system'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "compare" -d 'Compare an archive with this machine'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "verify" -d 'Read every byte of an archive and check it against its manifest'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "drill" -d 'Rehearse a recovery from a medium in a virtual machine'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "logs" -d 'Save the logs of the rescue system to a folder, a device or a server'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "key" -d 'Create, show, add and remove repository keys'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "storage" -d 'In the rescue system: md arrays, LVM, LUKS and multipath, read-only'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and not __fish_seen_subcommand_from check backup list media rescue layout restore compare verify drill logs key storage help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from media" -f -a "iso" -d 'A disc image that boots on BIOS and UEFI, from discs and USB sticks'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from layout" -f -a "show" -d 'The machine as text, or as JSON with --json'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from layout" -f -a "plan" -d 'What a recovery would do to this hardware; nothing is touched'
complete -c lifeboat -n "__fish_lifeboat_using_subcommand help; and __fish_seen_subcommand_from layout" -f -a "diff" -d 'What changed since the machine was recorded'
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
