# perl - SERVER NAME UDP TCP: asks for a name so often over UDP and over TCP, each time by a flow of its own, waits 2 s for each answer and asks nothing twice;
# tells how many answers did not come, and how long the slowest one in a hundred took. A name with %d is another one each time, and may be none that there is.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($server, $name, $udp, $tcp) = @ARGV;

sub now {
    my $time = "\0" x 16;
    syscall(228, 1, $time);
    my ($s, $ns) = unpack("qq", $time);
    return $s * 1000 + $ns / 1e6;
}

# RFC 1035, 4.1
sub query { return pack("n6", $_[0], 0x100, 1, 0, 0, 0) . join("", map { chr(length) . $_ } split(/\./, sprintf($name, $_[0]))) . "\0" . pack("nn", 1, 1) }

sub good {
    my ($answer, $id) = @_;
    return 0 if length($answer) < 12;
    my ($of, $flags, undef, $answers) = unpack("n4", $answer);
    return 0 if $of != $id;
    return 1 if $name =~ /%d/ && ($flags & 0x800f) == 0x8003;
    return ($flags & 0x800f) == 0x8000 && $answers > 0;
}

sub by_udp {
    my $socket = IO::Socket::INET->new(PeerAddr => $server, PeerPort => 53, Proto => "udp") or return 0;
    $socket->send(query($_[0]));
    return 0 if !IO::Select->new($socket)->can_read(2);
    defined($socket->recv(my $answer, 512)) or return 0;
    return good($answer, $_[0]);
}

sub by_tcp {
    my $socket = IO::Socket::INET->new(PeerAddr => $server, PeerPort => 53, Proto => "tcp", Timeout => 2) or return 0;
    $socket->syswrite(pack("n/a*", query($_[0])));
    my $answer = "";
    while (length($answer) < 2 || length($answer) < 2 + unpack("n", $answer)) {
        return 0 if !IO::Select->new($socket)->can_read(2);
        $socket->sysread($answer, 4096, length($answer)) or return 0;
    }
    return good(substr($answer, 2), $_[0]);
}

my (@times, $lost);
$lost = 0;
for my $id (1 .. $udp + $tcp) {
    my $before = now();
    my $came = $id <= $udp ? by_udp($id) : by_tcp($id);
    $lost++ if !$came;
    push(@times, now() - $before);
}
@times = sort { $a <=> $b } @times;
printf("%d of %d lost, p99 %.1f ms\n", $lost, $udp + $tcp, $times[int(0.99 * $#times)]);
