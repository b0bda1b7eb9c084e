"""Tables of binaries that change files, each of which goes through the path jail. `usage` says how a line is read.

Left out on purpose: links made while copying, suffixes of backups (they may hold a path), bits that change the user,
and unpacking: an archive brings its own paths and symbolic links. The jail's own directory may not be removed or
moved away.
"""

CHANGERS = {
    "chmod": "-cRfv --changes --recursive --quiet --silent --verbose MODE PATH+",
    "cp": "-afinprRTuvx --archive --force --interactive --no-clobber --no-target-directory --recursive --update "
    "--verbose PATH PATH+",
    "gunzip": "!-t !-l -tlv --list --test PATH+",
    "gzip": "!-t !-l -tlv --list --test PATH+",
    "ln": "-finrsTv --force --interactive --symbolic --no-dereference --verbose PATH PATH",
    "mkdir": "-pv -m=MODE --parents --verbose --mode=MODE PATH+",
    "mv": "-finTuv --force --interactive --no-clobber --no-target-directory --update --verbose INSIDE INSIDE+",
    "rm": "-dfirRv --dir --force --recursive --verbose INSIDE+",
    "rmdir": "-v --verbose INSIDE+",
    "tar": "FIRST !-t !-c !--list !--create -tcvzjJpk -f=ARCHIVE --list --create --verbose --gzip --bzip2 --xz "
    "--file=ARCHIVE "
    "--exclude=TEXT PATH*",
    "tee": "-aip --append --ignore-interrupts PATH*",
    "touch": "-acmh -d=TEXT -r=PATH -t=WORD --no-create --date=TEXT --reference=PATH PATH+",
    "unzip": "!-l !-t !-v -ltvq PATH TEXT*",
    "zip": "-rqj0123456789v ZIP PATH+",
}
