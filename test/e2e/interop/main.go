// interop - checks checkpoints and proofs with golang.org/x/mod/sumdb, which nobody here wrote.
//
//	interop VKEY checkpoint FILE
//	interop VKEY event EVENT.json PROOF
//	interop VKEY consistency OLD-CHECKPOINT PROOF
//	interop SKEY sign TEXT-FILE
package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func read(path string) string {
	data, err := os.ReadFile(path)
	check(err)
	return string(data)
}

func hash(text string) tlog.Hash {
	data, err := base64.StdEncoding.DecodeString(text)
	check(err)
	if len(data) != tlog.HashSize {
		check(fmt.Errorf("not a hash: %q", text))
	}
	return *(*tlog.Hash)(data)
}

// open gives origin, size and root of a signed checkpoint.
func open(vkey, text string) (string, int64, tlog.Hash) {
	verifier, err := note.NewVerifier(vkey)
	check(err)
	n, err := note.Open([]byte(text), note.VerifierList(verifier))
	check(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		check(fmt.Errorf("not a checkpoint: %q", n.Text))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	return lines[0], size, hash(lines[2])
}

// parts gives the number behind `word`, the hashes, and the checkpoint of a proof.
func parts(text, word string) (int64, []tlog.Hash, string) {
	head, checkpoint, found := strings.Cut(text, "\n\n")
	if !found || !strings.HasPrefix(head, word) {
		check(fmt.Errorf("not a proof: %q", text))
	}
	lines := strings.Split(strings.TrimPrefix(head, word), "\n")
	number, err := strconv.ParseInt(lines[0], 10, 64)
	check(err)
	var hashes []tlog.Hash
	for _, line := range lines[1:] {
		hashes = append(hashes, hash(line))
	}
	return number, hashes, checkpoint
}

func main() {
	key, what := os.Args[1], os.Args[2]
	switch what {
	case "checkpoint":
		origin, size, root := open(key, read(os.Args[3]))
		fmt.Println(origin, size, root)
	case "event":
		index, hashes, checkpoint := parts(read(os.Args[4]), "c2sp.org/tlog-proof@v1\nindex ")
		_, size, root := open(key, checkpoint)
		check(tlog.CheckRecord(hashes, size, root, index, tlog.RecordHash([]byte(read(os.Args[3])))))
		fmt.Println("event", index, "of", size)
	case "consistency":
		old, hashes, checkpoint := parts(read(os.Args[4]), "old ")
		origin, size, root := open(key, checkpoint)
		oldOrigin, oldSize, oldRoot := open(key, read(os.Args[3]))
		if origin != oldOrigin || old != oldSize {
			check(fmt.Errorf("%s %d is not %s %d", oldOrigin, old, origin, oldSize))
		}
		check(tlog.CheckTree(hashes, size, root, old, oldRoot))
		fmt.Println("consistent", old, "to", size)
	case "sign":
		signer, err := note.NewSigner(key)
		check(err)
		data, err := note.Sign(&note.Note{Text: read(os.Args[3])}, signer)
		check(err)
		os.Stdout.Write(data)
	}
}
