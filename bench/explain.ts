// The plans of what the typed functions of src/store really send: their queries are captured on the way, not copied.
import { CompiledQuery, type KyselyPlugin, PostgresQueryCompiler } from 'kysely';
import type { Database } from '../src/store/database.ts';

export type Captured = {
  /** to be given to the function in place of the other */
  readonly db: Database;
  /** what has been sent through it, in order */
  readonly queries: readonly CompiledQuery[];
};

export function capturing(db: Database): Captured {
  const compiler = new PostgresQueryCompiler();
  const built = new Map<string, CompiledQuery>();
  const queries: CompiledQuery[] = [];
  const plugin: KyselyPlugin = {
    transformQuery: ({ node, queryId }) => {
      built.set(queryId.queryId, compiler.compileQuery(node, queryId));
      return node;
    },
    // The parts of a union are built, too, but only what is sent has a result.
    transformResult: async ({ result, queryId }) => {
      const query = built.get(queryId.queryId);
      if (query !== undefined) queries.push(query);
      return result;
    },
  };
  return { db: db.withPlugin(plugin), queries };
}

/** Runs it with its parameters, planned as an unnamed statement is. @returns the plan as psql shows it */
export async function explainAnalyze(db: Database, query: CompiledQuery): Promise<string> {
  const { rows } = await db.executeQuery<{ 'QUERY PLAN': string }>(
    CompiledQuery.raw(`EXPLAIN (ANALYZE, BUFFERS) ${query.sql}`, [...query.parameters]),
  );
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

export type PlanNode = {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
};

/** Only plans it. @returns its nodes, outermost first */
export async function planNodes(db: Database, query: CompiledQuery): Promise<readonly PlanNode[]> {
  const { rows } = await db.executeQuery<{ 'QUERY PLAN': readonly [{ readonly Plan: PlanNode }] }>(
    CompiledQuery.raw(`EXPLAIN (FORMAT JSON) ${query.sql}`, [...query.parameters]),
  );
  const [row] = rows;
  return row === undefined ? [] : flatten(row['QUERY PLAN'][0].Plan);
}

function flatten(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(flatten)];
}
