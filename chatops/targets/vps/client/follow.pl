# The last lines of log files, and with `follow` what is written to them later, also through rotation and to new files: one
# process, however many files there are. Every Debian and Ubuntu has Perl (`perl-base` is essential there).
# `stamps.pl` comes before it.
# Given are patterns of paths, and by the environment `secrets` (files whose lines are hidden), `last`, `follow`, `since` (epoch
# seconds) and `places`: lines "PLACE PATH", where files were left by whoever read them before.
# Every line of output is one frame: NUMBER@PLACE TIME PATH (a file appears, written last at TIME), NUMBER=PLACE TEXT, NUMBER+TEXT
# (the line goes on in the next frame of this number), NUMBER? (what came before is gone), `!` (what follows is new).
# A place is INODE:OFFSET:SUM, after a line; the sum of what stands before it tells a file from another that took its room.
use strict;
use warnings;
use IO::Handle;

my ($BLOCK, $PIECE, $LINE, $MOST, $MARK) = (65536, 30000, 1 << 20, 8 << 20, 64);
my ($last, $follow, $since) = @ENV{qw(last follow since)};
my %places = map { reverse split / /, $_, 2 } split /\n/, $ENV{places};
my $hidden = join '|', map { quotemeta } sort { length $b <=> length $a } grep { length > 5 } map { contents($_) } glob $ENV{secrets};
my %files;
my $count = 0;

sub contents {
    open my $handle, '<', $_[0] or return;
    chomp(my @lines = <$handle>);
    return @lines;
}

# ---------------------------------------------------------------- frames

sub place { join ':', $_[0]{inode}, $_[0]{offset}, sum($_[0]{mark}) }
sub sum { unpack '%32N*', "$_[0]\0\0\0" }

sub appears {
    my ($file) = @_;
    print "$file->{number}\@", place($file), ' ', (stat $file->{handle})[9], " $file->{path}\n";
}

sub show {
    my ($file, $line) = @_;
    zoned($line);
    return unless late($file, $line);
    $line =~ s/$hidden/[redacted]/g if $hidden ne '';
    print "$file->{number}+", substr($line, 0, $PIECE, ''), "\n" while length $line > $PIECE;
    print "$file->{number}=", place($file), " $line\n";
}

# Whether a line may be of `since` or later; one without a time belongs to the line before.
sub late {
    my ($file, $line) = @_;
    return 1 if $file->{late};
    my $moment = moment($line);
    return !$file->{dated} unless defined $moment;
    $file->{dated} = 1;
    return $file->{late} = $moment >= $since;
}

# ---------------------------------------------------------------- one file

sub enter {
    my ($file, $path, $offset) = @_;
    open my $handle, '<:raw', $path or return 0;
    @$file{qw(handle inode offset part)} = ($handle, (stat $handle)[1], $offset, '');
    $file->{mark} = before($handle, $offset);
    return 1;
}

sub before {
    my ($handle, $offset) = @_;
    my $length = $offset < $MARK ? $offset : $MARK;
    sysseek $handle, $offset - $length, 0;
    my $read = sysread $handle, my ($bytes), $length;
    return $read ? $bytes : '';
}

# Whether this is the file, or a copy of it, that has been read up to this place.
sub holds {
    my ($handle, $offset, $sum) = @_;
    return (stat $handle)[7] >= $offset && sum(before($handle, $offset)) == $sum;
}

# Shows the lines up to the byte `end`.
sub advance {
    my ($file, $end) = @_;
    my $position = $file->{offset} + length $file->{part};
    sysseek $file->{handle}, $position, 0;
    while ($position < $end) {
        my $length = $end - $position < $BLOCK ? $end - $position : $BLOCK;
        $position += sysread($file->{handle}, $file->{part}, $length, length $file->{part}) || last;
        while ((my $newline = index $file->{part}, "\n") >= 0) { take($file, $newline + 1) }
        take($file, $LINE) while length $file->{part} > $LINE;
    }
}

sub take {
    my ($file, $length) = @_;
    my $line = substr $file->{part}, 0, $length, '';
    $file->{offset} += length $line;
    $file->{mark} = substr $file->{mark} . $line, -$MARK;
    $line =~ s/\n\z//;
    show($file, $line);
}

sub finish {
    my ($file) = @_;
    advance($file, (stat $file->{handle})[7]);
    take($file, length $file->{part}) if length $file->{part};
}

# What was written before a rotation and not read yet: in the copy beside the file, which has another inode or not.
sub rotated {
    my ($file, $offset, $sum) = @_;
    if (open my $handle, '<:raw', "$file->{path}.1") {
        if (holds($handle, $offset, $sum)) {
            enter($file, "$file->{path}.1", bounded($file, $handle, $offset));
            return finish($file);
        }
    }
    print "$file->{number}?\n";
}

sub resume {
    my ($file, $inode, $offset, $sum) = @_;
    $file->{late} = 1;
    enter($file, $file->{path}, 0) or return;
    if ($inode == $file->{inode} && holds($file->{handle}, $offset, $sum)) {
        enter($file, $file->{path}, bounded($file, $file->{handle}, $offset));
        return appears($file);
    }
    appears($file);
    rotated($file, $offset, $sum);
    enter($file, $file->{path}, 0);
    enter($file, $file->{path}, bounded($file, $file->{handle}, 0));
}

# Where to go on: what has come meanwhile may be more than anybody reads.
sub bounded {
    my ($file, $handle, $offset) = @_;
    my $size = (stat $handle)[7];
    return $offset if $size - $offset <= $MOST;
    print "$file->{number}?\n";
    return newline($handle, $size - $MOST);
}

# The first look at a file of which nothing is known.
sub begin {
    my ($file) = @_;
    enter($file, $file->{path}, 0) or return;
    my ($size, $older) = ((stat $file->{handle})[7], "$file->{path}.1");
    my ($offset, $lacking) = $since eq '' ? ending($file->{handle}, $size, $last) : recent($file->{handle}, $size);
    if ($lacking && open my $handle, '<:raw', $older) {
        my $end = (stat $handle)[7];
        my ($from, undef) = $since eq '' ? ending($handle, $end, $lacking) : recent($handle, $end);
        enter($file, $older, $from);
        appears($file);
        finish($file);
        return enter($file, $file->{path}, 0);
    }
    enter($file, $file->{path}, $offset);
    appears($file);
}

# Where to begin for what is `since` then, and whether the file before this one is to be read as well.
sub recent {
    my ($handle, $size) = @_;
    return ($size, 0) if (stat $handle)[9] < $since;
    return $size > $MOST ? (newline($handle, $size - $MOST), 0) : (0, 1);
}

# Where the last lines begin, and how many of them the file lacks.
sub ending {
    my ($handle, $size, $count) = @_;
    return ($size, 0) unless $count || $follow;
    my ($position, $seen) = ($size, $size && !$follow && before($handle, $size) !~ /\n\z/ ? 1 : 0);
    while ($position > 0) {
        return (newline($handle, $position), 0) if $size - $position > $MOST;
        my $length = $position < $BLOCK ? $position : $BLOCK;
        sysseek $handle, $position -= $length, 0;
        sysread $handle, my ($block), $length;
        for (my $at = $length; $at > 0 && ($at = rindex $block, "\n", $at - 1) >= 0;) {
            return ($position + $at + 1, 0) if ++$seen > $count;
        }
    }
    return (0, $count - $seen);
}

sub newline {
    my ($handle, $position) = @_;
    sysseek $handle, $position, 0;
    sysread $handle, my ($block), $LINE;
    return $position + index($block, "\n") + 1;
}

# ---------------------------------------------------------------- all files

sub scan {
    my ($first) = @_;
    for my $path (grep { !$files{$_} && -f && !/[^ -~]/ } glob $ARGV[0]) {
        my $file = $files{$path} = { path => $path, number => ++$count, late => $since eq '' };
        if ($places{$path}) { resume($file, split /:/, $places{$path}) }
        elsif ($first && !%places) { begin($file) }
        else { $file->{late} = 1; appears($file) if enter($file, $path, 0) }
        if (!$file->{handle}) { delete $files{$path}; next }
        if ($first) { $follow ? look($file) : finish($file) }
    }
}

sub look {
    my ($file) = @_;
    my ($inode, $size) = (stat $file->{path})[1, 7];
    my $same = defined $inode && $inode == $file->{inode};
    my $read = $file->{offset} + length $file->{part};
    return if $same && $size == $read;
    return advance($file, $size) if $same && $size > $read && before($file->{handle}, $file->{offset}) eq $file->{mark};
    if ($same) { rotated($file, $file->{offset}, sum($file->{mark})) }
    elsif (!$size) {    # whoever writes may go on with the old file until it opens its own
        advance($file, (stat $file->{handle})[7]);
        delete $files{ $file->{path} } unless (stat $file->{handle})[3];
        return;
    }
    else { finish($file) }
    advance($file, $size) if enter($file, $file->{path}, 0);
}

scan(1);
print "!\n";
STDOUT->flush;
for (my $turn = 1; $follow; $turn++) {
    my $ready = '';
    vec($ready, 0, 1) = 1;
    exit if select($ready, undef, undef, 0.2) && !sysread STDIN, my ($input), 1;
    if ($turn % 5 == 0) { scan(0); print "\n" }
    look($files{$_}) for keys %files;
    STDOUT->flush;
}
exit;
