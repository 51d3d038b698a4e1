# perl outside.pl ADDRESS FOLDER: a DNS server for the names outside of a cluster: every one has the address 192.0.2.1. What it is asked for is in FOLDER/asked.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($address, $folder) = @ARGV;
my %at = (LocalAddr => $address, LocalPort => 53, ReuseAddr => 1);
my $udp = IO::Socket::INET->new(%at, Proto => "udp") or die "udp: $!\n";
my $tcp = IO::Socket::INET->new(%at, Proto => "tcp", Listen => 64) or die "tcp: $!\n";
open(my $asked, ">>", "$folder/asked") or die "$folder: $!\n";
$asked->autoflush(1);

sub answer {
    my $query = shift;
    my ($place, @labels) = (12);
    while (my $length = ord(substr($query, $place, 1))) {
        push(@labels, substr($query, $place + 1, $length));
        $place += $length + 1;
    }
    my $question = substr($query, 12, $place - 7);
    my $is_address = unpack("n", substr($question, -4, 2)) == 1;
    print {$asked} join(".", @labels), "\n";
    my $head = pack("n6", unpack("n", $query), 0x8180, 1, $is_address, 0, 0);
    return $head . $question . ($is_address ? pack("nnnNnC4", 0xc00c, 1, 1, 300, 4, 192, 0, 2, 1) : "");
}

my $all = IO::Select->new($udp, $tcp);
while (my @ready = $all->can_read) {
    for my $socket (@ready) {
        my $query;
        if ($socket == $udp) {
            my $who = $udp->recv($query, 512);
            $udp->send(answer($query), 0, $who) if $who && length($query) > 16;
        } elsif ($socket == $tcp) {
            $all->add($tcp->accept);
        } elsif ($socket->sysread($query, 514) && length($query) > 18) {
            $socket->syswrite(pack("n/a*", answer(substr($query, 2))));
        } else {
            $all->remove($socket);
            close($socket);
        }
    }
}
