"""Tables of binaries that read files and print: `usage` says how a line is read.

Left out on purpose: every option that writes a file, runs a program, reads a list of names or options from a file,
follows symbolic links where the binary would not, or sets how much of the machine is used. And options of binaries that
read bundled short ones in a way of their own (`xxd -ps`).
"""

_SUM = "-btz --binary --text --tag --zero INPUT*"
_GREP = (
    "-EFGPHILThiclnoqsvwxyabzr -NUM -e=TEXT -A=COUNT -B=COUNT -C=COUNT -m=COUNT --extended-regexp "
    "--fixed-strings --basic-regexp --perl-regexp --ignore-case --no-ignore-case --invert-match --word-regexp "
    "--line-regexp --count --files-with-matches --files-without-match --only-matching --quiet --silent --no-messages "
    "--with-filename --no-filename --line-number --byte-offset --text --initial-tab --null --recursive --color[=WORD] "
    "--colour[=WORD] --max-count=COUNT --after-context=COUNT --before-context=COUNT --context=COUNT --include=TEXT "
    "--exclude=TEXT --exclude-dir=TEXT --line-buffered --regexp=TEXT TEXT/-e/--regexp INPUT* .-r .--recursive"
)

READERS = {
    "awk": "FIRST -F=TEXT -v=TEXT AWK INPUT*",
    "base32": "-di -w=COUNT --decode --ignore-garbage --wrap=COUNT INPUT?",
    "base64": "-diD -w=COUNT --decode --ignore-garbage --wrap=COUNT INPUT?",
    "basename": "-az -s=TEXT --multiple --zero --suffix=TEXT TEXT+",
    "b2sum": _SUM,
    "cat": "-AbeEnstTuv --show-all --number-nonblank --show-ends --number --squeeze-blank --show-tabs INPUT*",
    "cksum": "INPUT*",
    "cmp": "-bls -n=COUNT --print-bytes --verbose --quiet --silent --bytes=COUNT INPUT INPUT",
    "column": "-tx -s=TEXT -c=COUNT --table --separator=TEXT INPUT*",
    "comm": "-123 --check-order --nocheck-order --total INPUT INPUT",
    "cut": "-ns -b=WORD -c=WORD -d=TEXT -f=WORD --bytes=WORD --characters=WORD --delimiter=TEXT --fields=WORD "
    "--complement --only-delimited --output-delimiter=TEXT INPUT*",
    "diff": "-abBcdeEinNpqrstTuwy -U=COUNT -C=COUNT -W=COUNT --unified[=COUNT] --context[=COUNT] --brief --recursive "
    "--side-by-side --ignore-case --ignore-all-space --ignore-space-change --ignore-blank-lines --text --new-file "
    "--color[=WORD] --width=COUNT --no-dereference INPUT INPUT",
    "dirname": "-z --zero TEXT+",
    "du": "-abchkmsSx0 -d=COUNT --all --apparent-size --bytes --total --human-readable --summarize --max-depth=COUNT "
    "--one-file-system --si --time PATH* .",
    "echo": "RAW TEXT*",
    "egrep": _GREP,
    "expand": "-i -t=WORD --initial --tabs=WORD INPUT*",
    "fgrep": _GREP,
    "file": "-bikN --brief --mime --mime-type --mime-encoding --keep-going --no-pad PATH+",
    "fold": "-bs -w=COUNT --bytes --spaces --width=COUNT INPUT*",
    "grep": _GREP,
    "head": "-qvz -NUM -n=COUNT -c=COUNT --lines=COUNT --bytes=COUNT --quiet --silent --verbose INPUT*",
    "hexdump": "-bcCdovx -n=COUNT -s=COUNT INPUT*",
    "join": "-iz -1=COUNT -2=COUNT -a=COUNT -v=COUNT -j=COUNT -t=TEXT -e=TEXT -o=WORD --ignore-case --header "
    "--check-order --nocheck-order INPUT INPUT",
    "jq": "-caerjnsSCMR --compact-output --ascii-output --exit-status --raw-output --join-output --null-input --slurp "
    "--sort-keys --color-output --monochrome-output --raw-input --tab --indent=COUNT JQ INPUT*",
    "ls": "-aAbBcCdfFgGhiklmnNopqQrRsStuUvxX1 --all --almost-all --author --classify --color[=WORD] --directory "
    "--full-time --group-directories-first --human-readable --inode --no-group --numeric-uid-gid --recursive --reverse "
    "--size --sort=WORD --time=WORD --time-style=TEXT --format=WORD PATH* .",
    "md5sum": _SUM,
    "nl": "-p -b=WORD -h=WORD -f=WORD -i=COUNT -l=COUNT -n=WORD -s=TEXT -v=COUNT -w=COUNT --body-numbering=WORD INPUT*",
    "od": "-abcdfilosxv -A=WORD -j=COUNT -N=COUNT -t=WORD --address-radix=WORD --format=WORD "
    "--read-bytes=COUNT --skip-bytes=COUNT INPUT*",
    "paste": "-sz -d=TEXT --serial --delimiters=TEXT --zero-terminated INPUT+",
    "printf": "RAW FORMAT PLAIN*",
    "readlink": "-efmnqsvz --canonicalize --canonicalize-existing --canonicalize-missing --no-newline --zero PATH+",
    "realpath": "-emqsz --canonicalize-existing --canonicalize-missing --strip --no-symlinks --quiet --zero PATH+",
    "rev": "INPUT*",
    "rg": "-FcHilnNosSvwx -e=TEXT -A=COUNT -B=COUNT -C=COUNT -g=TEXT -m=COUNT -t=WORD --count --files-with-matches "
    "--fixed-strings --ignore-case --smart-case --line-number --no-heading --only-matching --word-regexp "
    "--invert-match "
    "--hidden --glob=TEXT --type=WORD --max-count=COUNT --context=COUNT --color=WORD TEXT/-e PATH* .",
    "sed": "FIRST -nErsuz --quiet --silent --regexp-extended --separate --unbuffered --null-data --posix --sandbox "
    "-e=SED --expression=SED SED/-e/--expression INPUT*",
    "seq": "-w -NUM -s=TEXT --equal-width --separator=TEXT COUNT COUNT? COUNT?",
    "sha1sum": _SUM,
    "sha224sum": _SUM,
    "sha256sum": _SUM,
    "sha384sum": _SUM,
    "sha512sum": _SUM,
    "shasum": "-b -t -a=COUNT INPUT*",
    "sort": "-bdfghinMrRsuVz -k=WORD -t=TEXT --ignore-leading-blanks --dictionary-order --ignore-case "
    "--general-numeric-sort --human-numeric-sort --numeric-sort --month-sort --reverse --version-sort --stable "
    "--unique "
    "--key=WORD --field-separator=TEXT --zero-terminated INPUT*",
    "stat": "-c=TEXT --format=TEXT --printf=TEXT --terse PATH+",
    "strings": "-aw -n=COUNT -t=WORD -e=WORD --all --bytes=COUNT --radix=WORD --encoding=WORD PATH+",
    "tac": "-br -s=TEXT --before --regex --separator=TEXT INPUT*",
    "tail": "-fFqvz -NUM -n=COUNT -c=COUNT -s=COUNT --follow[=WORD] --lines=COUNT --bytes=COUNT --quiet --silent "
    "--verbose --retry --sleep-interval=COUNT INPUT*",
    "tr": "-cCdst --complement --delete --squeeze-repeats --truncate-set1 TEXT TEXT?",
    "tree": "-adfhpsugDFrtv -L=COUNT -I=TEXT -P=TEXT --dirsfirst --du --noreport PATH* .",
    "unexpand": "-a -t=WORD --all --first-only --tabs=WORD INPUT*",
    "uniq": "-cdDiuz -f=COUNT -s=COUNT -w=COUNT --count --repeated --ignore-case --unique --skip-fields=COUNT "
    "--skip-chars=COUNT --check-chars=COUNT INPUT?",
    "wc": "-clLmw --bytes --chars --lines --max-line-length --words INPUT*",
    "xxd": "FIRST -c=COUNT -g=COUNT -l=COUNT -s=COUNT INPUT?",
}
