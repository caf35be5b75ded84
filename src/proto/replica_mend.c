/* replica_mend.c - a chunk of ours that is rotten is read from another copy
 * and written over it; its references are still in our index (D18). The op is
 * a GET without an asker; our own store is the one host it does not ask. */
#include "proto/replica_op.h"

void wr_replica_mend(struct wr_replica *r, struct wr_core *c,
                     const struct wr_id *digest, uint32_t hash, wr_token token)
{
    struct wr_op *op =
        wr_op_new(r, c, WR_OP_GET, WR_NO_HOST, token, WR_LEVEL_LEAF);

    if (op == NULL) {
        wr_core_done(c, token, WR_STATUS_BUSY);
        return;
    }
    op->key = *digest;
    op->hash = hash;
    wr_op_add(r, op, c->cfg->self)->state = WR_TARGET_FAILED;
    wr_get_begin(r, c, op);
}

/* What is still on its way from other copies answers nothing any more. */
void wr_mend_got(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                 const struct wr_msg *m)
{
    struct wr_fx *fx = NULL;

    if (m->data.status == WR_STATUS_OK)
        fx = wr_outbox_push(c->out, WR_FX_STORE_PUT);
    if (fx == NULL) {
        const enum wr_status status = (enum wr_status)m->data.status;

        wr_core_done(c, op->back,
                     status == WR_STATUS_OK ? WR_STATUS_BUSY : status);
        wr_op_free(r, c, op);
        return;
    }
    op->id = wr_replica_id(c, WR_TABLE_OP, wr_replica_slot(op->id));
    op->phase = WR_OP_MEND;
    op->targets_n = 0;
    fx->store.token = op->id;
    fx->store.digest = op->key;
    fx->store.hash = op->hash;
    fx->store.body = op->body;
    fx->store.repair = true;
}

void wr_mend_stored(struct wr_replica *r, struct wr_core *c, struct wr_op *op,
                    enum wr_status status)
{
    wr_core_done(c, op->back, status);
    wr_op_free(r, c, op);
}
