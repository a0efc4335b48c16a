// The whole way with its blocks, kills and outages takes longest: started last, it would run alone at the end.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const FIRST = ['/e2e/kill-', '/e2e/', '/cli/'];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = FIRST.findIndex((part) => moduleId.includes(part));
      return place === -1 ? FIRST.length : place;
    };
    return [...(await super.sort(files))].sort((left, right) => rank(left) - rank(right));
  }
}
