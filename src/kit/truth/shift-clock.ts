// Preloaded (node --import shift-clock.ts?ms=40000) into a process whose clock makes a step: SIGUSR2 puts Date off by so
// much, or right again. Timers and performance.now() go on as they were, as after a step of the system's clock.
const RightDate = Date;
const stepMs = Number(new URL(import.meta.url).searchParams.get('ms'));
let shiftMs = 0;

process.on('SIGUSR2', () => {
  shiftMs = shiftMs === 0 ? stepMs : 0;
});

globalThis.Date = new Proxy(RightDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [RightDate.now() + shiftMs] : args, newTarget),
  apply: () => new Date().toString(),
  get: (target, name, receiver) =>
    name === 'now' ? () => RightDate.now() + shiftMs : Reflect.get(target, name, receiver),
});
