// tries: never end, with a timer that keeps it alive
// expect: timed_out
// limits: max_execution_time=1500
const tick = (n: number): void => void setTimeout(tick, 0, n + 1);
tick(0);
await new Promise<never>(() => {});
