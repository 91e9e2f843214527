import type { LikenessClient, LikenessError, Watch } from '../../src/client/index.ts';
import { facePhoto } from './pictures';

/** A drawn face as a file of a page. */
export const photo = async (seed: number): Promise<File> =>
  new File([new Uint8Array(await facePhoto(seed, { width: 640 }))], `${seed}.jpg`, { type: 'image/jpeg' });
/** Five faces. */
export const photos = (): Promise<File[]> => Promise.all([1, 2, 3, 4, 5].map(photo));

/** Uploads five faces, for the input of a training. */
export const uploaded = async (client: LikenessClient): Promise<{ photoId: string }[]> => {
  const results = await client.upload(await photos());
  return results.map(({ photoId }) => ({ photoId: photoId! }));
};

/** All items. */
export const all = async <Item>(items: AsyncIterable<Item>): Promise<Item[]> => {
  const list = [];
  for await (const item of items) list.push(item);
  return list;
};

/** The first event that fits. */
export const taken = async <Event>(watch: Watch<Event>, fits: (event: Event) => boolean): Promise<Event> => {
  for (;;) {
    const { value, done } = await watch.next();
    if (done === true) throw new Error('The events have ended.');
    if (fits(value)) return value;
  }
};

/** The error of a call. */
export const failureOf = (call: Promise<unknown>): Promise<LikenessError> =>
  call.then(
    () => {
      throw new Error('The call succeeded.');
    },
    (error: unknown) => error as LikenessError,
  );

/** Executes requests, but loses the answers of the first ones that contain a word. */
export const losingAnswers =
  (word: string, count: number): typeof fetch =>
  async (...request) => {
    const answer = await fetch(...request);
    const body = request[1]?.body;
    if (typeof body !== 'string' || !body.includes(word) || count-- <= 0) return answer;
    throw new TypeError('fetch failed');
  };
