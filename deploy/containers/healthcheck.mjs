// Health check of a container without curl: exit code 0 when the URL answers 200 within two seconds, else 1 and one line.
// Default: /livez of the worker in this container; another URL as argument.

const url = process.argv[2] ?? `http://127.0.0.1:${process.env.PORT}/livez`;
try {
  const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
  console.log(`${url}: ${response.status}`);
  process.exit(response.status === 200 ? 0 : 1);
} catch (error) {
  console.log(`${url}: ${error.cause?.message ?? error.message}`);
  process.exit(1);
}
