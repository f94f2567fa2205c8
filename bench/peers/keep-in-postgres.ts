import pg from 'pg';

/** Stores a message; resolves when it is committed. */
export type Keep = (conversation: string, from: string, at: number, body: object) => Promise<void>;

interface Row {
  readonly conversation: string;
  readonly from: string;
  readonly at: number;
  readonly body: string;
  readonly stored: () => void;
}

/** Enough connections for PostgreSQL to commit in groups; more gain nothing on two cores. */
const CONNECTIONS = 16;
const MULTI_ROW_CONNECTIONS = 4;

export async function keepInPostgres(options: pg.PoolConfig, multiRow: boolean): Promise<Keep> {
  const pool = new pg.Pool({ ...options, max: multiRow ? MULTI_ROW_CONNECTIONS : CONNECTIONS });
  await pool.query(`CREATE TABLE IF NOT EXISTS message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, conversation text NOT NULL, sender text NOT NULL, at bigint NOT NULL, body jsonb NOT NULL)`);
  return multiRow ? manyRows(pool) : oneRow(pool);
}

const oneRow =
  (pool: pg.Pool): Keep =>
  async (conversation, from, at, body) => {
    await pool.query({
      name: 'one',
      text: 'INSERT INTO message (conversation, sender, at, body) VALUES ($1, $2, $3, $4)',
      values: [conversation, from, at, JSON.stringify(body)],
    });
  };

function manyRows(pool: pg.Pool): Keep {
  let waiting: Row[] = [];
  let running = 0;
  const insert = async (): Promise<void> => {
    const rows = waiting;
    waiting = [];
    running++;
    await pool.query({
      name: 'many',
      text: 'INSERT INTO message (conversation, sender, at, body) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::jsonb[])',
      values: [rows.map((row) => row.conversation), rows.map((row) => row.from), rows.map((row) => row.at), rows.map((row) => row.body)],
    });
    running--;
    for (const row of rows) row.stored();
    start();
  };
  const start = (): void => {
    if (waiting.length > 0 && running < MULTI_ROW_CONNECTIONS)
      setImmediate(() => waiting.length > 0 && running < MULTI_ROW_CONNECTIONS && insert());
  };
  return (conversation, from, at, body) =>
    new Promise((stored) => {
      waiting.push({ conversation, from, at, body: JSON.stringify(body), stored });
      if (waiting.length === 1) start();
    });
}
