# The times that log lines begin with, or have in a field of their JSON.
use strict;
use warnings;
use POSIX ();

delete $ENV{TZ};    # the link's; what has no zone is written in the host's own
POSIX::tzset();

my $STAMP = qr/(\d{4})[-\/](\d\d)[-\/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?>([.,]\d+)?)/;
my $BEFORE = qr/\[?|\{.*?"(?:\@timestamp|timestamp|time|ts)":\s*"/;
my $ZONE = qr/\ ?(Z|[+-]\d\d:?\d\d)/;

# A line with a time and no zone, as nginx writes its errors, gets the host's.
sub zoned {
    $_[0] =~ s/^($BEFORE)$STAMP(?!$ZONE)/"$1$2-$3-$4T$5:$6:$7" . ($8 \/\/ '') . zone($2, $3, $4, $5, $6, $7)/e;
}

sub zone {
    my ($year, $month, $day, @time) = @_;
    my $moment = POSIX::mktime(reverse(@time), $day, $month - 1, $year - 1900, 0, 0, -1);
    return defined $moment ? POSIX::strftime('%z', localtime $moment) : '';
}

# The time that a line says of itself, as far as it can be told here.
sub moment {
    if ($_[0] =~ /^$BEFORE$STAMP$ZONE/) {
        my $seconds = epoch($1, $2, $3, $4, $5, $6);
        my ($sign, $hours, $minutes) = $8 =~ /([+-])(\d\d):?(\d\d)/ or return $seconds;
        return $seconds - "${sign}1" * ($hours * 3600 + $minutes * 60);
    }
    my ($number) = $_[0] =~ /^\{.*?"(?:\@timestamp|timestamp|time|ts)":\s*(\d+(?:\.\d+)?)/ or return;
    $number /= 1000 while $number > 4102444800;
    return $number;
}

# Howard Hinnant, "chrono-compatible low-level date algorithms": days_from_civil.
sub epoch {
    my ($year, $month, $day, $hour, $minute, $second) = @_;
    ($year, $month) = $month > 2 ? ($year, $month - 3) : ($year - 1, $month + 9);
    my $days = 365 * $year + int($year / 4) - int($year / 100) + int($year / 400) + int((153 * $month + 2) / 5) + $day - 719469;
    return (($days * 24 + $hour) * 60 + $minute) * 60 + $second;
}
