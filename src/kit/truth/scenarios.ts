// Every scenario. Long ones come first, for they are run side by side.
import type { QueueKind } from '../lab/servers.ts';
import type { Scenario } from './scenario.ts';
import {
  answerLost,
  code32,
  fillBeforeAnswer,
  nodeHangs,
  reduceOnlyRepeat,
  secondNodeLimits,
} from './scenarios/answers.ts';
import {
  bestEffortCanceled,
  fillAfterCancel,
  fillLate,
  fillTwice,
  heightAhead,
  indexerLag,
  longPage,
  websocketGap,
} from './scenarios/fills.ts';
import { postgresDown, queueWiped, redisKilled } from './scenarios/outages.ts';
import { clockStep, jobTwice, killAfterSend, poison, reconcilerKilled } from './scenarios/processes.ts';
import { sameMillisecond, sequenceStorm } from './scenarios/stateful.ts';
import { hourLate, newDatabase, resignWindow, settleRace } from './scenarios/times.ts';

export const SCENARIOS: readonly Scenario[] = [
  killAfterSend,
  reconcilerKilled,
  code32,
  sameMillisecond,
  clockStep,
  resignWindow,
  jobTwice,
  sequenceStorm,
  newDatabase,
  indexerLag,
  fillLate,
  heightAhead,
  settleRace,
  reduceOnlyRepeat,
  secondNodeLimits,
  nodeHangs,
  answerLost,
  fillAfterCancel,
  bestEffortCanceled,
  fillBeforeAnswer,
  fillTwice,
  longPage,
  websocketGap,
  hourLate,
  poison,
  postgresDown,
  redisKilled,
  queueWiped,
];

export function scenariosOn(queue: QueueKind): readonly Scenario[] {
  return SCENARIOS.filter(({ onlyOn }) => onlyOn === undefined || onlyOn === queue);
}
