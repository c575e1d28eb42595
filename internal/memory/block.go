package memory

import (
	"context"
	"io"
	"sync/atomic"
)

// Block is a body in memory that is used again for another one. Its maker is its first holder; whatever reads the
// body beyond the maker's time is a holder too. When the last one lets go, the room goes back to the budget and the
// bytes are kept for the next body: a megabyte that is asked of the heap is zeroed first and collected later, which
// costs more than reading it does.
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

// ReadAll is Share.ReadAll. The bytes are valid until the last holder lets go.
func (k *Block) ReadAll(ctx context.Context, r io.Reader, declared, limit int64) (body []byte, err error) {
	body, err = k.share.ReadAll(ctx, r, nil, declared, limit)
	k.bytes = body
	return body, err
}

// Reused reports whether the bytes will be used again, so that each reader of them has to hold the block. It is false
// for a nil Block.
func (k *Block) Reused() bool { return k != nil && k.share.reuse && isSize(cap(k.bytes)) }

// Hold adds a holder, who has to call Release once.
func (k *Block) Hold() { k.holders.Add(1) }

// Release lets go of the block.
func (k *Block) Release() {
	if k.holders.Add(-1) > 0 {
		return
	}
	k.share.keep(k.bytes)
	k.bytes = nil
	k.share.Free()
}

// Drop lets go of the block as its only holder, and leaves the bytes to the collector: something may still read them.
func (k *Block) Drop() {
	k.bytes = nil
	k.share.Free()
}
