# What PM2 says of its processes, as one line of JSON; nothing where it does not answer. Given is the path of its socket.
# The socket speaks AMP (github.com/tj/node-amp): a byte with version and number of the arguments, then each with its length.
# A call of PM2's CLI takes 0.6 s and its 60 MB, one of Node 50 ms and 45 MB, this one 10 ms.
use strict;
use warnings;
use Socket;

my ($BYTES, $SECONDS) = (1 << 20, 2);
alarm $SECONDS;
socket my $pm2, PF_UNIX, SOCK_STREAM, 0 or exit;
connect $pm2, pack_sockaddr_un($ARGV[0]) or exit;
my @question = ('j:{"type":"call","method":"getMonitorData","args":[{}]}', 's:1');
syswrite $pm2, pack 'C(N/a*)*', 0x10 | @question, @question;
my ($reply, $whole) = ('', 5);
while (length $reply < $whole && $whole < $BYTES) {
    sysread $pm2, $reply, $BYTES, length $reply or exit;
    $whole = 5 + unpack 'xN', $reply if length $reply >= 5;
}
print substr $reply, 7, $whole - 7;
