// The one place that loads @dydxprotocol/v4-client-js. Its ESM build has extensionless imports that Node
// refuses, so it is required as CommonJS; a second `import` elsewhere would load a second copy (37 MB).
// Only protobuf messages, wallets and constants are used from it: its network calls have no timeouts.
import { createRequire } from 'node:module';
import type * as Dydx from '@dydxprotocol/v4-client-js';

export const dydx: typeof Dydx = createRequire(import.meta.url)('@dydxprotocol/v4-client-js');
