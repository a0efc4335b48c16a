// A command that measures on servers of its own: progress on standard error, figures on standard output, and whatever it
// started has ended when it ends, also by Ctrl-C.
import { endOnInterrupt } from './interrupt.ts';
import { createScreen } from './screen.ts';

type Measured<Result> = {
  /** one JSON object as the last line, instead of the text */
  readonly json: boolean;
  /** Throws the signal's reason when it is broken off. */
  readonly measure: (signal: AbortSignal, onStage: (stage: string) => void) => Promise<Result>;
  readonly asText: (result: Result) => string;
  readonly verdictOf: (result: Result) => { readonly wrong: number; readonly findings: readonly string[] };
};

/** @returns the exit code: 0; 1 when an order ended wrong; 130 interrupted */
export async function runMeasured<Result>(command: Measured<Result>): Promise<number> {
  const screen = createScreen(process.stderr);
  const interrupt = endOnInterrupt();
  try {
    const result = await command.measure(interrupt.signal, (stage) => screen.draw([`bench  ${stage} …`]));
    screen.finish();
    if (!command.json) console.log(command.asText(result));
    const { wrong, findings } = command.verdictOf(result);
    for (const found of findings) console.error(found);
    if (command.json) console.log(JSON.stringify(result));
    return wrong === 0 ? 0 : 1;
  } catch (error) {
    screen.finish();
    if (!interrupt.signal.aborted) throw error;
    console.error('interrupted; everything that was started has ended');
    return 130;
  } finally {
    interrupt.release();
  }
}
