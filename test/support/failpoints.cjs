/*
 * Arms the gateway's failpoints: `node -r …/failpoints.cjs dist/main.js`, started by a test with an IPC channel.
 *
 * The test says `{ arm: <name>, nth }`; the nth time the program comes to that point, it stands still there and says
 * `{ reached: <name> }`. It stands until the test kills it, or says `{ release: true }`. So what happens at a point
 * happens at that point, however slow the machine is: while it stands, whatever else comes to a failpoint stands too. Only
 * one point is armed at a time, and it is disarmed once reached.
 */
const { getHeapCodeStatistics } = require('node:v8');

const armed = Symbol.for('likeness.failpoint');

let waitingFor = null;
let standing = null;
let release = () => undefined;

async function stand(name) {
  if (standing) return standing;
  if (waitingFor?.name !== name) return undefined;
  waitingFor.nth -= 1;
  if (waitingFor.nth > 0) return undefined;
  waitingFor = null;
  standing = new Promise((resolve) => {
    release = () => {
      standing = null;
      resolve();
    };
  });
  process.send({ reached: name });
  return standing;
}

function onMessage(message) {
  if (message.arm !== undefined) {
    waitingFor = { name: message.arm, nth: message.nth };
    process.send({ armed: message.arm });
  } else if (message.release) {
    release();
  } else if (message.measure) {
    measure();
  }
}

/** What the process holds once nothing is left to collect, compiled code left out: it grows as long as paths get hot. */
function measure() {
  globalThis.gc();
  // The first one runs finalizers, which free more.
  globalThis.gc();
  const code = getHeapCodeStatistics();
  process.send({
    heapBytes: process.memoryUsage().heapUsed - code.code_and_metadata_size - code.bytecode_and_metadata_size,
    handles: process.getActiveResourcesInfo().length,
  });
}

globalThis[armed] = stand;
process.on('message', onMessage);
// The gateway exits with its test process.
process.on('disconnect', () => process.exit(1));
// The IPC channel must not keep the process running.
process.channel?.unref();
