"""Tables of binaries with subcommands: only those here, which tell and change nothing. `usage` says how a line is read.

The first word is the subcommand; a line for the binary alone says which options may stand before it. A repository's own
configuration may make git run programs (`core.fsmonitor`, `diff.external`), so git is safe only where agents cannot
write that, and nothing here lets an agent choose the repository, or another cluster of kubectl's configuration.
"""

_LOG = (
    "HERE -NUM -p -n=COUNT -S=TEXT -i --abbrev-commit --all --author=TEXT --decorate[=WORD] --first-parent --follow "
    "--format=TEXT --graph --grep=TEXT --max-count=COUNT --merges --name-only --name-status --no-color --no-merges "
    "--oneline --patch --pretty[=TEXT] --reverse --shortstat --since=TEXT --stat --until=TEXT "
)
_DIFF = (
    "HERE -pwb -U=COUNT --cached --color[=WORD] --name-only --name-status --no-color --no-ext-diff --no-patch "
    "--numstat "
    "--shortstat --staged --stat --summary --unified=COUNT --word-diff[=WORD] REVISION*"
)
_LIST = "--all --failed --full --no-legend --no-pager --plain -a -l -q -t=WORD --state=WORD --type=WORD "
_PODS = "-A -n=WORD --all-namespaces --namespace=WORD "

SERVICES = {
    "docker": "SUBCOMMAND -v --version",
    "docker images": "-aq --all --digests --filter=TEXT -f=TEXT --format=TEXT --no-trunc --quiet UNIT?",
    "docker info": "--format=TEXT",
    "docker logs": "-ft -n=COUNT --details --follow --since=WORD --tail=COUNT --timestamps --until=WORD UNIT",
    "docker port": "UNIT WORD?",
    "docker ps": "-alqs -n=COUNT --all --filter=TEXT -f=TEXT --format=TEXT --last=COUNT --latest --no-trunc --quiet "
    "--size",
    "docker stats": "!--no-stream -a --all --format=TEXT --no-stream UNIT*",
    "docker version": "--format=TEXT",
    "git": "SUBCOMMAND --no-pager --version",
    "git blame": "HERE -elsw -L=SORT --date=WORD REVISION+",
    "git branch": "HERE -arv --all --list --no-color --remotes --show-current --verbose",
    "git describe": "HERE --abbrev=COUNT --all --always --dirty --long --tags REVISION*",
    "git diff": _DIFF,
    "git log": _LOG + "REVISION*",
    "git ls-files": "HERE -cdmostu --cached --deleted --modified --others --exclude-standard REVISION*",
    "git remote": "HERE -v --verbose",
    "git rev-parse": "HERE -q --abbrev-ref --is-inside-work-tree --short[=COUNT] --show-toplevel --verify REVISION*",
    "git shortlog": "HERE -ens --all --email --no-merges --numbered --since=TEXT --summary --until=TEXT REVISION+",
    "git show": _LOG + "REVISION*",
    "git status": "HERE -bsz --branch --ignored --long --porcelain[=WORD] --short --show-stash "
    "--untracked-files[=WORD] REVISION*",
    "git tag": "HERE -l --list --sort=SORT",
    "ip": "SUBCOMMAND -46ds",
    "ip a": "",
    "ip addr": "",
    "ip link": "",
    "ip route": "",
    "kubectl": "SUBCOMMAND " + _PODS,
    "kubectl api-resources": _PODS + "--namespaced[=WORD] -o=OUTPUT --output=OUTPUT",
    "kubectl cluster-info": _PODS,
    "kubectl describe": _PODS + "-l=WORD --selector=TEXT RESOURCE+",
    "kubectl explain": _PODS + "--recursive RESOURCE",
    "kubectl get": _PODS + "-w -l=WORD -o=OUTPUT -L=WORD --field-selector=TEXT --no-headers --output=OUTPUT "
    "--selector=TEXT --show-labels --sort-by=TEXT --watch RESOURCE+",
    "kubectl logs": _PODS + "-fp -c=WORD -l=WORD --all-containers[=WORD] --container=WORD --follow --previous "
    "--prefix --selector=TEXT --since=WORD --tail=COUNT --timestamps RESOURCE? RESOURCE?",
    "kubectl top": _PODS + "-l=WORD --containers --no-headers --sort-by=WORD RESOURCE+",
    "kubectl version": _PODS + "--client -o=OUTPUT --output=OUTPUT",
    "node": "!-v !--version -v --version",
    "php": "!-v !--version -v --version",
    "python": "!-V !--version -V --version",
    "python2": "!-V !--version -V --version",
    "python3": "!-V !--version -V --version",
    "ruby": "!-v !--version -v --version",
    "perl": "!-v !--version -v --version",
    "systemctl": "SUBCOMMAND --no-pager",
    "systemctl is-active": "-q --quiet UNIT+",
    "systemctl is-enabled": "-q --quiet UNIT+",
    "systemctl is-failed": "-q --quiet UNIT+",
    "systemctl is-system-running": "",
    "systemctl list-dependencies": _LIST + "--reverse UNIT?",
    "systemctl list-sockets": _LIST + "UNIT*",
    "systemctl list-timers": _LIST + "UNIT*",
    "systemctl list-unit-files": _LIST + "UNIT*",
    "systemctl list-units": _LIST + "UNIT*",
    "systemctl status": _LIST + "-n=COUNT -o=WORD --lines=COUNT --output=WORD UNIT*",
}
