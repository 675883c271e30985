// tries: make a type checker run for ever
// expect: succeeded failed timed_out out_of_memory
// limits: max_execution_time=5000
type Deep<N extends number, T extends unknown[] = []> = T["length"] extends N ? T : Deep<N, [...T, T]>;
type Boom = Deep<900>;
const boom: Boom | null = null;
console.log("held:", boom);
