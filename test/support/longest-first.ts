// What takes longest starts first, or it would run alone at the end: outages, which mostly wait, then the kills and
// processes of the whole way, and last what takes a second or two.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const FIRST = [
  '/e2e/redis-down.',
  '/e2e/postgres-down.',
  '/store/both-versions.',
  '/cli/up.',
  '/e2e/kill-submitter',
  '/e2e/whole-way.',
  '/e2e/doubt.',
  '/e2e/',
  '/cli/bad-start.',
  '/cli/doctor.',
  '/cli/',
  '/store/roles.',
  '/queue/redis-',
  '/runtime/',
  '/store/embedded-',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = FIRST.findIndex((part) => moduleId.includes(part));
      return place === -1 ? FIRST.length : place;
    };
    return [...(await super.sort(files))].sort((left, right) => rank(left) - rank(right));
  }
}
