package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"strconv"
	"time"
)

// signer writes requests signed with AWS Signature Version 4. What does not
// change from one to the next is kept, so that a request costs four hashes of
// short texts. It has one user at a time.
type signer struct {
	host, region, accessKey, secret string

	// day is the day that scope and mac are for, second the one of date.
	day, second int64
	date        []byte // 20261122T150405Z
	scope       []byte // 20261122/eu-west-1/dynamodb/aws4_request
	mac         hash.Hash

	text []byte
	sum  [sha256.Size]byte
}

const signedHeaders = "host;x-amz-date;x-amz-target"

// appendHead appends a request up to where its body begins.
func (s *signer) appendHead(dst []byte, target string, body []byte, now time.Time) []byte {
	s.tick(now)
	dst = append(dst, "POST / HTTP/1.1\r\nHost: "...)
	dst = append(dst, s.host...)
	dst = append(dst, "\r\nContent-Type: application/x-amz-json-1.0\r\nX-Amz-Date: "...)
	dst = append(dst, s.date...)
	dst = append(dst, "\r\nX-Amz-Target: DynamoDB_20120810."...)
	dst = append(dst, target...)
	dst = append(dst, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential="...)
	dst = append(dst, s.accessKey...)
	dst = append(dst, '/')
	dst = append(dst, s.scope...)
	dst = append(dst, ", SignedHeaders="+signedHeaders+", Signature="...)
	dst = hex.AppendEncode(dst, s.sign(target, body))
	dst = append(dst, "\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	return append(dst, "\r\n\r\n"...)
}

// tick renews what depends on the time.
func (s *signer) tick(now time.Time) {
	second := now.Unix()
	if second == s.second {
		return
	}
	s.second = second
	now = now.UTC()
	s.date = now.AppendFormat(s.date[:0], "20060102T150405Z")
	day := second / (24 * 60 * 60)
	if s.mac != nil && day == s.day {
		return
	}
	s.day = day
	s.scope = append(s.scope[:0], s.date[:8]...)
	s.scope = append(s.scope, "/"+s.region+"/dynamodb/aws4_request"...)
	key := []byte("AWS4" + s.secret)
	for _, part := range []string{string(s.date[:8]), s.region, "dynamodb", "aws4_request"} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	s.mac = hmac.New(sha256.New, key)
}

// sign returns the signature. It is valid until the next one.
func (s *signer) sign(target string, body []byte) []byte {
	hashed := sha256.Sum256(body)
	t := append(s.text[:0], "POST\n/\n\nhost:"...)
	t = append(t, s.host...)
	t = append(t, "\nx-amz-date:"...)
	t = append(t, s.date...)
	t = append(t, "\nx-amz-target:DynamoDB_20120810."...)
	t = append(t, target...)
	t = append(t, "\n\n"+signedHeaders+"\n"...)
	t = hex.AppendEncode(t, hashed[:])
	hashed = sha256.Sum256(t)

	t = append(t[:0], "AWS4-HMAC-SHA256\n"...)
	t = append(t, s.date...)
	t = append(t, '\n')
	t = append(t, s.scope...)
	t = append(t, '\n')
	t = hex.AppendEncode(t, hashed[:])
	s.text = t
	s.mac.Reset()
	s.mac.Write(t)
	return s.mac.Sum(s.sum[:0])
}
