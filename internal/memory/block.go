package memory

import (
	"context"
	"io"
	"sync/atomic"
)

// Block is a body in memory whose buffer is used again for a later body. The code that made the block is its first
// holder. Code that reads the body later holds the block too. When the last holder releases it, its bytes go back to
// the budget and the buffer is kept for the next body. A new buffer of a megabyte would have to be zeroed and later
// collected, which costs more than reading the body.
type Block struct {
	share   Share
	bytes   []byte
	holders atomic.Int32
}

// Block returns a block that holds nothing yet and has one holder.
func (b *Budget) Block(use Use) *Block {
	k := &Block{share: b.Share(use)}
	k.share.reuse = b != nil
	k.holders.Store(1)
	return k
}

// ReadAll is Share.ReadAll. The bytes are valid until the last holder releases the block.
func (k *Block) ReadAll(ctx context.Context, r io.Reader, declared, limit int64) (body []byte, err error) {
	body, err = k.share.ReadAll(ctx, r, nil, declared, limit)
	k.bytes = body
	return body, err
}

// Reused reports whether the buffer will be used again. Each reader of its bytes must then hold the block. Reused is
// false for a nil Block.
func (k *Block) Reused() bool { return k != nil && k.share.reuse && isSize(cap(k.bytes)) }

// Hold adds a holder. Each holder calls Release once.
func (k *Block) Hold() { k.holders.Add(1) }

// Release ends one holder's use of the block.
func (k *Block) Release() {
	if k.holders.Add(-1) > 0 {
		return
	}
	k.share.keep(k.bytes)
	k.bytes = nil
	k.share.Free()
}

// Drop is Release for the only holder when something may still read the bytes: the buffer is not used again.
func (k *Block) Drop() {
	k.bytes = nil
	k.share.Free()
}
