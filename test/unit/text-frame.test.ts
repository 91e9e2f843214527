import type { Writable } from 'node:stream';
import * as ws from 'ws';
import { textFrame } from '../../src/http/graphql/text-frame';

/** Its types lack the export. */
const { Receiver } = ws as unknown as { Receiver: new (options: { isServer: boolean }) => Writable };

/** The messages that ws reads from frames, in the role of a client. */
const read = (frames: Buffer): Promise<string[]> =>
  new Promise((resolve, reject) => {
    const messages: string[] = [];
    const receiver = new Receiver({ isServer: false });
    receiver.on('message', (data: Buffer, isBinary: boolean) => {
      if (isBinary) reject(new Error('A binary frame.'));
      messages.push(data.toString());
    });
    receiver.on('error', reject);
    receiver.end(frames, () => resolve(messages));
  });

describe('a text frame', () => {
  it('is read by ws, with a text of any length', async () => {
    const lengths = [0, 1, 124, 125, 126, 127, 65_534, 65_535, 65_536, 65_537, 200_000];
    const texts = [...lengths.map((length) => 'x'.repeat(length)), 'é'.repeat(63), '😀'.repeat(20_000)];
    expect(await read(Buffer.concat(texts.map(textFrame)))).toEqual(texts);
  });
});
