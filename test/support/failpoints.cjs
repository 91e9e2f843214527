/*
 * Arms the gateway's failpoints: `node -r …/failpoints.cjs dist/main.js`, started by a test with an IPC channel.
 *
 * The test sends `{ arm: <name>, nth }`; the nth time the program reaches that point, it blocks there and sends
 * `{ reached: <name> }`. It blocks until the test kills it or sends `{ release: true }`. So a crash at a point
 * does not depend on the speed of the machine: while it blocks, all other failpoints block too. Only
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
  } else if (message.fail !== undefined) {
    fail(message.fail);
  }
}

/** Fails in a way that no code of the program handles. */
function fail(how) {
  const error = new Error('an error that no code handles');
  if (how === 'rejection') Promise.reject(error);
  else
    process.nextTick(() => {
      throw error;
    });
}

/** Memory after a garbage collection, without compiled code, which grows as long as functions get hot. */
function measure() {
  globalThis.gc();
  // The first collection runs finalizers, which release more memory.
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
