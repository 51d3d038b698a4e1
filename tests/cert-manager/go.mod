// The name lets it use cert-manager's internal packages: upstream's own programs are in no archive of its modules.
module github.com/cert-manager/cert-manager/lab

go 1.26.4

require github.com/cert-manager/cert-manager v1.21.2
