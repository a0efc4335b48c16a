// Who may do what: the rights of each role, table by table, and whom row-level security lets see which rows. One table
// of rights, which `router roles` grants and `router doctor` compares with.

export const OWNER = 'cryptopulse_owner';

/** What a login may be a member of. */
export const ROLES = [
  OWNER,
  'cryptopulse_app',
  'cryptopulse_worker',
  'cryptopulse_maintenance',
  'cryptopulse_producer',
  'cryptopulse_readonly',
  'cryptopulse_backup',
] as const;
export type Role = (typeof ROLES)[number];

/** `SELECT`, or `UPDATE (column, …)` for some columns only. */
type Rights = readonly string[];

const READ: Rights = ['SELECT'];
const TURNS: Rights = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** What a door may say of an order: the intent, and nothing of its state. src/store/recording.ts writes these. */
export const INTENT_COLUMNS = [
  'id',
  'tenant_id',
  'client_id',
  'account',
  'subaccount_number',
  'market',
  'side',
  'type',
  'size',
  'price',
  'trigger_price',
  'time_in_force',
  'good_til_blocks',
  'good_til_time',
  'reduce_only',
  'post_only',
  'submit_by',
  'metadata',
  'enqueued_at',
  'next_wake_at',
] as const;

/** What happens to an order after it was recorded; what was asked for never changes. */
const STATE_COLUMNS = [
  'order_id',
  'owner',
  'dydx_client_id',
  'clob_pair_id',
  'order_flags',
  'quantums',
  'subticks',
  'trigger_subticks',
  'first_good_til_block',
  'good_til_block',
  'nonce',
  'dead_nonce',
  'included_height',
  'dead_height',
  'death',
  'cancel_count',
  'attempt_count',
  'status',
  'status_reason',
  'filled_size',
  'last_fill_id',
  'last_fill_price',
  'late_fill_at',
  'resolution',
  'cancel_requested_at',
  'tx_hash',
  'block_height',
  'gas_used',
  'gas_wanted',
  'error_message',
  'retry_count',
  'next_wake_at',
  'placed_at',
  'filled_at',
  'cancelled_at',
];

/** Signed bytes are as good as a placed order to whoever can read them: not for tenants. */
const ATTEMPT_COLUMNS_WITHOUT_BYTES = [
  'order_id',
  'attempt',
  'good_til_block',
  'nonce',
  'signed_height',
  'tx_hash',
  'transmissions',
  'outcome',
  'codespace',
  'code',
  'log',
  'created_at',
  'answered_at',
  'included_height',
  'included_code',
  'absent_height',
  'absent_time',
];

const CANCEL_COLUMNS_WITHOUT_BYTES = [
  'tx_hash',
  'tenant_id',
  'owner',
  'order_ids',
  'good_til_block',
  'nonce',
  'outcome',
  'codespace',
  'code',
  'log',
  'created_at',
  'answered_at',
];

/** What an answer changes of a transaction. */
const ANSWER_COLUMNS = ['outcome', 'codespace', 'code', 'log', 'answered_at'];

/** A key that a cancel has spent takes its order once; triggers keep it from taking another. */
const KEY_CHANGES = ['order_id', 'intent_hash', 'cancel_requested_at'];

const of = (right: string, columns: readonly string[]) => `${right} (${columns.join(', ')})`;

/** By table, view or sequence of schema public. */
type Grants = Readonly<Record<string, Rights>>;

/** Needed by every process that runs, whatever it does. */
const PROCESS: Grants = {
  kysely_migration: READ,
  installation: READ,
  timer_turns: TURNS,
  queue_heartbeats: READ,
  due_orders: READ,
};

const WORKER: Grants = {
  ...PROCESS,
  installation: ['SELECT', 'INSERT'],
  order_keys: ['SELECT', 'INSERT', of('UPDATE', KEY_CHANGES)],
  orders: ['SELECT', 'INSERT', of('UPDATE', STATE_COLUMNS)],
  order_attempts: [
    'SELECT',
    'INSERT',
    of('UPDATE', [
      ...ANSWER_COLUMNS,
      'transmissions',
      'included_height',
      'included_code',
      'absent_height',
      'absent_time',
    ]),
  ],
  cancel_transactions: ['SELECT', 'INSERT', of('UPDATE', ANSWER_COLUMNS)],
  cancel_transactions_archive: READ,
  order_fills: ['SELECT', 'INSERT'],
  order_status_history: READ,
  unexplained_fills: ['SELECT', 'INSERT'],
  intent_rejections: ['SELECT', 'INSERT'],
  reconcile_cursors: ['SELECT', 'INSERT', 'UPDATE'],
  markets: ['SELECT', 'INSERT', 'UPDATE'],
  controls: ['SELECT', 'INSERT', 'UPDATE'],
  control_changes: READ,
  positions: ['SELECT', 'INSERT', 'UPDATE'],
  rate_limits: TURNS,
  signer_nonces: ['SELECT', 'INSERT', 'UPDATE'],
  nonces_in_doubt: TURNS,
  unexplained_orders: ['SELECT', 'INSERT', of('UPDATE', ['listed', 'seen_at'])],
  incidents: ['SELECT', 'INSERT', of('UPDATE', ['closed_at', 'closed_by'])],
  maintenance_runs: READ,
  queue_heartbeats: ['SELECT', 'INSERT', 'UPDATE'],
  fleet_figures: READ,
  maintenance_figures: READ,
  orders_archive: READ,
  order_attempts_archive: READ,
  order_fills_archive: READ,
  order_status_history_archive: READ,
  dydx_client_id_blocks: ['USAGE'],
};

/** The roles for reading and for backups read everything, and have no entry. */
export const GRANTS = {
  /** One tenant at a time: records its intents and reads what became of them. */
  cryptopulse_app: {
    ...PROCESS,
    order_keys: [
      'SELECT',
      of('INSERT', ['tenant_id', 'client_id', ...KEY_CHANGES]),
      of('UPDATE', KEY_CHANGES),
    ],
    // Asking for a cancel makes an order due, by trigger; when it is due otherwise is nobody's to say.
    orders: [
      'SELECT',
      of('INSERT', [...INTENT_COLUMNS, 'cancel_requested_at']),
      of('UPDATE', ['cancel_requested_at']),
    ],
    order_attempts: [of('SELECT', ATTEMPT_COLUMNS_WITHOUT_BYTES)],
    cancel_transactions: [of('SELECT', CANCEL_COLUMNS_WITHOUT_BYTES)],
    cancel_transactions_archive: [of('SELECT', [...CANCEL_COLUMNS_WITHOUT_BYTES, 'archived_at'])],
    controls: ['SELECT', 'INSERT', 'UPDATE'],
    control_changes: READ,
    order_fills: READ,
    order_status_history: READ,
    intent_rejections: ['SELECT', 'INSERT'],
    markets: READ,
    fleet_figures: READ,
    maintenance_figures: READ,
    orders_archive: READ,
    order_attempts_archive: [of('SELECT', [...ATTEMPT_COLUMNS_WITHOUT_BYTES, 'order_created_at'])],
    order_fills_archive: READ,
    order_status_history_archive: READ,
  },
  /** Submitter and reconciler. */
  cryptopulse_worker: WORKER,
  cryptopulse_maintenance: {
    ...PROCESS,
    maintenance_runs: ['SELECT', 'INSERT', 'UPDATE'],
    queue_heartbeats: ['SELECT', 'INSERT', 'UPDATE'],
    orders: READ,
    orders_archive: READ,
    archive_candidates: READ,
    fleet_figures: READ,
    maintenance_figures: READ,
  },
  /** The queue, and nothing else. */
  cryptopulse_producer: {},
} satisfies Partial<Record<Role, Grants>>;

/** Who takes and gives jobs in the PostgreSQL queue. BullMQ's functions run with the rights of their caller. */
export const QUEUE_USERS: readonly Role[] = [
  'cryptopulse_app',
  'cryptopulse_worker',
  'cryptopulse_maintenance',
  'cryptopulse_producer',
];

/**
 * What the migrations make in schema public, by name: other applications may live there, even by the same login. A test
 * compares it with a migrated database; sequences of columns and partitions go with their tables.
 */
export const OURS = {
  relations: [
    'archive_candidates',
    'cancel_transactions',
    'cancel_transactions_archive',
    'control_changes',
    'controls',
    'due_orders',
    'dydx_client_id_blocks',
    'fleet_figures',
    'incidents',
    'installation',
    'intent_rejections',
    'kysely_migration',
    'kysely_migration_lock',
    'maintenance_figures',
    'maintenance_runs',
    'markets',
    'nonces_in_doubt',
    'order_attempts',
    'order_attempts_archive',
    'order_fills',
    'order_fills_archive',
    'order_keys',
    'order_status_history',
    'order_status_history_archive',
    'orders',
    'orders_archive',
    'positions',
    'queue_heartbeats',
    'rate_limits',
    'reconcile_cursors',
    'signer_nonces',
    'timer_turns',
    'unexplained_fills',
    'unexplained_orders',
  ],
  routines: [
    'archive_batch',
    'archive_orders',
    'check_order_update',
    'current_server',
    'make_archive_month',
    'move_orders',
    'move_rows',
    'prune_records',
    'record_control_change',
    'record_order_change',
    'record_order_creation',
    'refuse_change',
    'refuse_unarchived_delete',
    'require_known_server',
    'require_shown',
    'take_nonces',
  ],
  enums: ['order_side', 'order_status', 'order_type', 'time_in_force'],
} as const;

/** The tables that VACUUM and ANALYZE are run on. */
export const MAINTAINED = [
  'orders',
  'order_status_history',
  'order_attempts',
  'order_fills',
  'order_keys',
  'cancel_transactions',
  'intent_rejections',
  'reconcile_cursors',
] as const;

/** Functions that are called by name, and who may. */
export const EXECUTES = [
  { role: 'cryptopulse_worker', signature: 'take_nonces(character varying, bigint, integer, boolean)' },
  { role: 'cryptopulse_worker', signature: 'require_known_server()' },
  { role: 'cryptopulse_worker', signature: 'current_server()' },
  { role: 'cryptopulse_maintenance', signature: 'archive_orders(uuid[])' },
  { role: 'cryptopulse_maintenance', signature: 'prune_records(text, integer, integer)' },
  {
    role: 'cryptopulse_maintenance',
    signature: 'archive_batch(timestamp with time zone, uuid, uuid, integer)',
  },
] as const satisfies readonly { readonly role: Role; readonly signature: string }[];

/** The setting that names the tenant of a transaction; unset it is null, after SET LOCAL it is empty. */
export const TENANT_SETTING = 'app.tenant_id';
const IS_TENANT = `tenant_id = current_setting('${TENANT_SETTING}', true)`;
/** Orders have a column order_id as well, the venue's: the table must be named. */
const ofOrder = (table: string, orders: string) =>
  `EXISTS (SELECT FROM ${orders} AS o WHERE o.id = ${table}.order_id AND o.${IS_TENANT})`;

/** Which rows a tenant sees and may add, by table. */
export const TENANT_ROWS = {
  orders: IS_TENANT,
  order_keys: IS_TENANT,
  intent_rejections: IS_TENANT,
  cancel_transactions: IS_TENANT,
  cancel_transactions_archive: IS_TENANT,
  controls: IS_TENANT,
  control_changes: IS_TENANT,
  order_attempts: ofOrder('order_attempts', 'orders'),
  order_fills: ofOrder('order_fills', 'orders'),
  order_status_history: ofOrder('order_status_history', 'orders'),
  orders_archive: IS_TENANT,
  order_attempts_archive: ofOrder('order_attempts_archive', 'orders_archive'),
  order_fills_archive: ofOrder('order_fills_archive', 'orders_archive'),
  order_status_history_archive: ofOrder('order_status_history_archive', 'orders_archive'),
} as const;

/** They see the rows of every tenant. The one for backups needs no policy: it has BYPASSRLS. */
export const SEE_ALL: readonly Role[] = [
  'cryptopulse_worker',
  'cryptopulse_maintenance',
  'cryptopulse_readonly',
];
