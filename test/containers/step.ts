// One line of output for each step of the container test: name, outcome, time, what was found.

export async function step<Result>(
  name: string,
  work: () => Promise<Result>,
  tell?: (result: Result) => string,
): Promise<Result> {
  const start = performance.now();
  const seconds = () => `${((performance.now() - start) / 1_000).toFixed(1).padStart(6)} s`;
  try {
    const result = await work();
    console.log(`${name.padEnd(8)} ok     ${seconds()}  ${tell?.(result) ?? ''}`.trimEnd());
    return result;
  } catch (error) {
    console.log(`${name.padEnd(8)} FAILED ${seconds()}`);
    throw error;
  }
}

/** `FILLED 20, EXPIRED 12` */
export function count(values: readonly unknown[]): string {
  const counts = new Map<unknown, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, n]) => `${value} ${n}`).join(', ');
}
