// Exchanges whose limits for stateful orders are not what is tested.
import type { PaperOptions } from '../../../paper/paper.ts';

export const ROOMY: PaperOptions = {
  statefulRateLimits: [
    { limit: 20, blocks: 1 },
    { limit: 400, blocks: 100 },
  ],
  equityTiers: [{ usd: '0', limit: 10_000 }],
};

/** A block takes its time: what is in doubt is looked at again, and sent again, before it can be found in one. */
export const SLOW: PaperOptions = { ...ROOMY, blockMs: 2_500, statefulRateLimits: [] };
