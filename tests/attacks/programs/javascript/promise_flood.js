// tries: keep the event loop busy for ever
// expect: timed_out out_of_memory
// limits: max_execution_time=1500
const again = () => Promise.resolve().then(again);
await again();
