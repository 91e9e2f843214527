/** Execute of PostgreSQL's protocol, without a limit of rows. */
const execute = Buffer.from('45000000090000000000', 'hex');

/** The message Sync: the end of the messages of a query. */
export const sync = Buffer.from('5300000004', 'hex');

/**
 * The messages Bind and Execute: runs a statement that the connection has prepared. The columns are not described, so that
 * the caller must know them.
 * @param name - of the prepared statement, in ASCII
 */
export function bindAndExecute(name: string, parameters: readonly (string | null)[]): Buffer {
  const lengths = parameters.map((text) => (text === null ? -1 : Buffer.byteLength(text)));
  const bytes = lengths.reduce((sum, length) => sum + 4 + Math.max(length, 0), 0);
  // Name of the portal, name of the statement, three counts: formats of parameters, parameters, formats of columns.
  const bindLength = 4 + 1 + (name.length + 1) + 2 + 2 + bytes + 2;
  const message = Buffer.allocUnsafe(1 + bindLength + execute.length);
  let at = message.write('B', 'latin1');
  at = message.writeInt32BE(bindLength, at);
  at += message.write(`\0${name}\0`, at, 'latin1');
  at = message.writeInt16BE(0, at);
  at = message.writeInt16BE(parameters.length, at);
  parameters.forEach((text, index) => {
    at = message.writeInt32BE(lengths[index]!, at);
    if (text !== null) at += message.write(text, at);
  });
  at = message.writeInt16BE(0, at);
  execute.copy(message, at);
  return message;
}
