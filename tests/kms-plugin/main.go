// A KMS v2 plugin for tests: AES-256-GCM with the key of a file, at a socket. It is as real as one can be that keeps its key beside it: the API
// server speaks to it as to any other.
//
//	kms-plugin -socket /run/kms/plugin.sock -key FILE   # 32 bytes
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"k8s.io/kms/pkg/service"
)

// plugin answers with one key, which its sha256 names.
type plugin struct {
	aead cipher.AEAD
	id   string
}

func open(path string) (*plugin, error) {
	key, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(key) != 32 {
		return nil, fmt.Errorf("%s has %d bytes, and a key has 32", path, len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(key)
	return &plugin{aead: aead, id: hex.EncodeToString(sum[:8])}, nil
}

func (p *plugin) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: p.id}, nil
}

func (p *plugin) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	return &service.EncryptResponse{Ciphertext: p.aead.Seal(nil, nil, data, []byte(p.id)), KeyID: p.id}, nil
}

func (p *plugin) Decrypt(_ context.Context, _ string, request *service.DecryptRequest) ([]byte, error) {
	if request.KeyID != p.id {
		return nil, fmt.Errorf("it is encrypted with the key %s, and this one is %s", request.KeyID, p.id)
	}
	return p.aead.Open(nil, nil, request.Ciphertext, []byte(p.id))
}

func run() error {
	socket := flag.String("socket", "", "where to listen")
	key := flag.String("key", "", "a file of 32 bytes")
	flag.Parse()
	own, err := open(*key)
	if err != nil {
		return err
	}
	// What a plugin that was killed has left.
	if err := os.Remove(*socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// Only root asks it.
	syscall.Umask(0o177)
	server := service.NewGRPCService(*socket, 3*time.Second, own)
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-ended:
		return err
	case <-stop:
		server.Close()
		return nil
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kms-plugin:", err)
		os.Exit(1)
	}
}
