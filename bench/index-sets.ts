// The table layouts that bench:indexes compares. Each is made of a clone of the migrated and seeded database.

export type Layout = {
  readonly name: string;
  readonly statements: readonly string[];
};

/**
 * The source schema's indexes as printed, in place of ours. orders_order_id_key is its UNIQUE too; of ours stays
 * idx_orders_reconcile, without which every fill would search for its order's subaccount.
 */
const SOURCE_INDEXES = [
  'ALTER TABLE orders DROP CONSTRAINT orders_venue_identity',
  `DROP INDEX idx_orders_due, idx_orders_active, idx_orders_market_filled, idx_orders_market_cancelled,
    idx_orders_market_rejected, idx_orders_market_expired, idx_orders_active_created_at, idx_orders_filled,
    idx_orders_cancelled, idx_orders_rejected, idx_orders_expired`,
  'ALTER TABLE orders ADD UNIQUE (client_id)',
  'CREATE INDEX idx_orders_client_id ON orders(client_id)',
  'CREATE INDEX idx_orders_order_id ON orders(order_id) WHERE order_id IS NOT NULL',
  'CREATE INDEX idx_orders_status ON orders(status)',
  'CREATE INDEX idx_orders_market ON orders(market)',
  'CREATE INDEX idx_orders_created_at ON orders(created_at)',
  'CREATE INDEX idx_orders_updated_at ON orders(updated_at)',
  'CREATE INDEX idx_orders_market_status ON orders(market, status)',
  'CREATE INDEX idx_orders_status_created_at ON orders(status, created_at)',
  'CREATE INDEX idx_orders_market_side_status ON orders(market, side, status)',
  `CREATE INDEX idx_orders_active ON orders(market, created_at)
    WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')`,
  'ALTER TABLE order_status_history DROP CONSTRAINT order_status_history_pkey, ADD PRIMARY KEY (id)',
  'CREATE INDEX idx_order_status_history_order_id ON order_status_history(order_id)',
  'CREATE INDEX idx_order_status_history_created_at ON order_status_history(created_at)',
  'CREATE INDEX idx_order_status_history_new_status ON order_status_history(new_status)',
];

/** The first is what the others are compared with. */
export const LAYOUTS: readonly Layout[] = [
  { name: 'ours', statements: [] },
  { name: "source's indexes", statements: SOURCE_INDEXES },
  { name: 'ours, orders filled to 70 %', statements: ['ALTER TABLE orders SET (fillfactor = 70)'] },
  { name: 'ours, orders filled to 100 %', statements: ['ALTER TABLE orders SET (fillfactor = 100)'] },
];
