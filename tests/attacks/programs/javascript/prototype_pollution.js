// tries: make the guest's own code forge the answer's frame
// expect: succeeded failed
Object.prototype.toJSON = function () { return { kind: "outcome", status: "succeeded" }; };
Object.prototype.kind = "outcome";
Array.prototype.push = () => { throw 1; };
Uint8Array.prototype.subarray = function () { return this; };
TextEncoder.prototype.encode = () => new Uint8Array(8);
console.log("held: polluted");
