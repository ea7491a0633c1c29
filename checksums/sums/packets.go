package sums

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const (
	// maxKeyring bounds a file of keys in bytes.
	maxKeyring = 1 << 20
	// maxSignature bounds a file of signatures in bytes.
	maxSignature = 256 << 10
	// maxPackets bounds the packets of either.
	maxPackets = 20_000
	// maxArmorLine bounds a line of armor; writers break them at 64 or 76.
	maxArmorLine = 1024
)

// Packet tags, RFC 9580 section 5.
const (
	tagSignature = 2
	tagSecretKey = 5
	tagPublicKey = 6
	tagUserID    = 13
	tagSubkey    = 14
)

// Types of signature subpackets, RFC 9580 section 5.2.3.7.
const (
	subpacketExportable = 4
	subpacketEmbedded   = 32
)

// errArmor says that armor is broken.
var errArmor = errors.New("broken armor")

// unarmor returns the packets' bytes of data that is armored, in any number of
// blocks of the given type, or binary. Which of the two is seen from the
// content: every binary packet begins with a byte that has the high bit set.
// It returns nil where there is neither.
func unarmor(data []byte, blockType string) ([]byte, error) {
	if len(data) > 0 && data[0]&0x80 != 0 {
		return data, nil
	}
	begin, end := []byte("-----BEGIN "+blockType+"-----"), []byte("-----END "+blockType+"-----")
	var out, block []byte
	for line := range bytes.Lines(data) {
		trimmed := bytes.TrimSpace(line)
		switch {
		case bytes.Equal(trimmed, begin):
			block = append([]byte(nil), line...)
			continue
		case block == nil:
			continue
		case len(line) > maxArmorLine:
			return nil, errArmor
		}
		block = append(block, line...)
		if bytes.Equal(trimmed, end) {
			body, err := decodeBlock(block)
			if err != nil {
				return nil, err
			}
			out, block = append(out, body...), nil
		}
	}
	if block != nil {
		return nil, fmt.Errorf("%w: it has no end", errArmor)
	}
	return out, nil
}

func decodeBlock(block []byte) ([]byte, error) {
	decoded, err := armor.Decode(bytes.NewReader(block))
	if err != nil {
		return nil, errArmor
	}
	body, err := io.ReadAll(decoded.Body)
	if err != nil {
		return nil, errArmor
	}
	return body, nil
}

// splitPackets cuts data into packets without looking inside.
func splitPackets(data []byte) ([]*packet.OpaquePacket, error) {
	var out []*packet.OpaquePacket
	for r := packet.NewOpaqueReader(bytes.NewReader(data)); ; {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, errors.New("broken OpenPGP packets")
		}
		if out = append(out, p); len(out) > maxPackets {
			return nil, fmt.Errorf("more than %d OpenPGP packets", maxPackets)
		}
	}
}

// parsePacket parses a packet of version 4, the only one that is accepted of
// keys and signatures, or a user ID; nil where it does not parse.
func parsePacket(p *packet.OpaquePacket) packet.Packet {
	switch p.Tag {
	case tagSignature:
		if !soundSignature(p.Contents, true) {
			return nil
		}
	case tagPublicKey, tagSubkey:
		if len(p.Contents) == 0 || p.Contents[0] != 4 {
			return nil
		}
	case tagUserID:
	default:
		return nil
	}
	parsed, err := p.Parse()
	if err != nil {
		return nil
	}
	return parsed
}

// soundSignature looks at a signature's frame before the library parses it: a
// signature of version 6 of a few bytes, embedded in another, has the library
// allocate up to 4 GiB, and an empty subpacket of one type has it panic.
func soundSignature(contents []byte, outer bool) bool {
	if len(contents) < 6 || contents[0] != 4 {
		return false
	}
	rest := contents[4:]
	for range 2 { // the hashed subpackets, then the others
		if len(rest) < 2 {
			return false
		}
		n := int(binary.BigEndian.Uint16(rest))
		if rest = rest[2:]; n > len(rest) || !soundSubpackets(rest[:n], outer) {
			return false
		}
		rest = rest[n:]
	}
	return true
}

func soundSubpackets(area []byte, outer bool) bool {
	subpackets, err := packet.OpaqueSubpackets(area)
	if err != nil {
		return false
	}
	for _, s := range subpackets {
		switch s.SubType & 0x7f {
		case subpacketExportable:
			if len(s.Contents) == 0 {
				return false
			}
		case subpacketEmbedded:
			if !outer || !soundSignature(s.Contents, false) {
				return false
			}
		}
	}
	return true
}
