"""Tables of binaries that tell of the machine and its network. `usage` says how a line is read.

Left out on purpose: setting the clock or a name, ending and renaming things, environments of processes, waiting without
end where it can be seen, and interactive prompts. `curl` only prints what an http address answers: which hosts may be
asked is for a rule on addresses (`host_in`) or for the network to say.
"""

SYSTEM = {
    "arch": "",
    "curl": "-fgGiIkLNsSv46 -A=TEXT -d=DATA -H=HEADER -m=COUNT -o=PATH -w=WRITEOUT -X=WORD --compressed "
    "--connect-timeout="
    "COUNT --data=DATA --data-raw=DATA --fail --get --head --header=HEADER --include --insecure --location --max-time="
    "COUNT --no-progress-meter --output=PATH --request=WORD --retry=COUNT --show-error --silent --user-agent=TEXT "
    "--verbose --write-out=WRITEOUT URL+",
    "date": "-uRI -d=TEXT -r=PATH --date=TEXT --iso-8601[=WORD] --reference=PATH --rfc-3339=WORD --rfc-email "
    "--universal "
    "--utc STAMP?",
    "df": "-ahHiklmPT --all --human-readable --inodes --local --portability --print-type --total --type=WORD PATH*",
    "dig": "RAW LOOKUP*",
    "false": "",
    "free": "-bhkmgtw -s=COUNT -c=COUNT --human --mega --giga --total --wide",
    "groups": "WORD*",
    "hostname": "-AdfiIsy --all-fqdns --all-ip-addresses --domain --fqdn --ip-address --long --short",
    "id": "-gGnruz --group --groups --name --real --user --zero WORD?",
    "journalctl": "-abefkqrx -n=COUNT -o=WORD -p=WORD -t=WORD -u=UNIT -S=TEXT -U=TEXT -g=TEXT --all --boot --dmesg "
    "--disk-usage --follow --grep=TEXT --identifier=WORD --lines=COUNT --list-boots --no-hostname --no-pager --no-tail "
    "--output=WORD --priority=WORD --reverse --since=TEXT --unit=UNIT --until=TEXT --utc",
    "lsblk": "-abdfilmnpt -o=WORD --all --bytes --fs --json --list --output=WORD --paths",
    "lscpu": "-J --json",
    "netstat": "-46aegilnoprstuWx --all --interfaces --listening --numeric --programs --route --statistics --tcp --udp",
    "nproc": "--all",
    "nslookup": "RAW QUERY+",
    "pgrep": "-acflnovx -u=WORD --full --list-full --list-name WORD?",
    "ping": "!-c -46nq -c=COUNT -i=COUNT -s=COUNT -t=COUNT -W=COUNT -w=COUNT HOST",
    "ps": "-AacdeFfHLljTwx -C=WORD -o=SORT -p=SORT -u=WORD -U=WORD --forest --no-headers --pid=SORT --ppid=SORT "
    "--sort=SORT --user=WORD --format=SORT TYPES?",
    "pwd": "-LP --logical --physical",
    "sleep": "COUNT+",
    "ss": "-046aeilmnoprsStuxZ --all --extended --ipv4 --ipv6 --listening --numeric --processes --summary --tcp --udp",
    "top": "!-b -bcHi -n=COUNT -d=COUNT -p=SORT -o=SORT",
    "true": "",
    "tty": "-s",
    "uname": "-aimnoprsv --all --kernel-name --kernel-release --kernel-version --machine --nodename --operating-system "
    "--processor",
    "uptime": "-ps --pretty --since",
    "vmstat": "-adsw -S=WORD COUNT? COUNT?",
    "w": "-fhisu",
    "which": "-a WORD+",
    "who": "-abdHlmqrsTtuw --all --boot --heading --count",
    "whoami": "",
}
