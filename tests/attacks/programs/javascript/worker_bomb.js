// tries: start workers without end
// expect: succeeded failed timed_out out_of_memory killed
// limits: max_execution_time=4000
let started = 0;
try {
  while (started < 300) {
    new Worker("data:application/javascript,while(true){}", { type: "module" });
    started++;
  }
  console.log("held: started", started, "and the limits count them");
} catch (error) { console.log("held:", error.name, started); }
await new Promise(() => {});
