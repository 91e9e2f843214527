import { uuidOf } from '../support/client';
import { Backend } from '../support/client-tokens';
import { TestGateway } from '../support/gateway';
import type { Result } from '../support/graphql-client';
import { SocketClient } from '../support/raw-client';
import { eventually } from '../support/until';

const who = '{ viewer { owner } }';
const refusal = 'The client token is not valid: it is unknown, has expired or was revoked. Get another one.';
const usedUp = 'The client token has started as many operations as it may (maxUses). Get another one.';
const waiting = (id: string): string => `{ model(id: "${id}", waitMs: 20000) { id status } }`;
const codeOf = ({ errors }: Result): string | undefined => errors?.[0]?.extensions.code;

describe('a use of a client token', () => {
  let gateway: TestGateway;
  let backend: Backend;
  let waitingModel: string;
  beforeAll(async () => {
    // Without workers no job changes.
    gateway = await TestGateway.start({
      ...{ ROLE: 'api', AUTH: 'keys', BATCHING: 'true', MAX_SOCKETS_PER_OWNER: '1' },
    });
    backend = await Backend.of(gateway, 'erik');
    const browser = await backend.browser({ maxUploads: 5 });
    waitingModel = (await browser.train({ photoIds: await browser.upload() })).id;
  });
  afterAll(() => gateway.stop());

  const greeted = (token: string): Promise<SocketClient> =>
    SocketClient.greeted(gateway.url, { authorization: `Bearer ${token}` });
  const usesLeft = async (id: string): Promise<unknown> => {
    const [row] = await gateway.rows('SELECT uses_left AS "usesLeft" FROM client_tokens WHERE id = $1', [
      uuidOf(id),
    ]);
    return row;
  };

  it('is counted before a wait, once', async () => {
    const { token, clientToken } = await backend.mint({ maxUses: 1 });
    const socket = await greeted(token);
    socket.subscribe('1', waiting(waitingModel));
    await eventually(
      'the use',
      () => usesLeft(clientToken.id),
      (row) => (row as { usesLeft: number }).usesLeft === 0,
    );
    const startedMs = performance.now();
    socket.subscribe('2', waiting(waitingModel));
    expect(JSON.stringify(await socket.ended('2'))).toContain(usedUp);
    expect(performance.now() - startedMs).toBeLessThan(15_000);
    await backend.client.request('mutation ($id: ID!) { cancelModel(input: { id: $id }) { model { id } } }', {
      id: waitingModel,
    });
    expect((await socket.ended('1'))[0]).toMatchObject({
      payload: { data: { model: { id: waitingModel } } },
    });
    socket.socket.terminate();
  });

  it('is counted for each operation of a batch, one of which waits', async () => {
    const { token } = await backend.mint({ maxUses: 2 });
    const response = await fetch(`${gateway.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify([{ query: waiting(waitingModel) }, { query: who }, { query: who }]),
    });
    const results = (await response.json()) as Result[];
    expect(results.map(codeOf).sort()).toEqual(['UNAUTHENTICATED', undefined, undefined]);
  });

  it('is not counted for a stream that is refused', async () => {
    const socket = await greeted((await backend.mint()).token);
    const { token, clientToken } = await backend.mint({ maxUses: 1 });
    const open = async (): Promise<string> => {
      const response = await fetch(`${gateway.url}/graphql/stream`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify({
          query: `subscription { trainingProgress(modelId: "${waitingModel}") { status } }`,
        }),
      });
      return response.text();
    };
    expect(await open()).toContain('RATE_LIMITED');
    expect(await usesLeft(clientToken.id)).toEqual({ usesLeft: 1 });
    socket.socket.terminate();
    const text = await eventually('the stream', open, (received) => !received.includes('RATE_LIMITED'));
    expect(text).toContain('"status":"CANCELLED"');
    expect(await usesLeft(clientToken.id)).toEqual({ usesLeft: 0 });
  });

  it('of a token that has ended is refused as such, also before its socket is closed', async () => {
    const { token, clientToken } = await backend.mint({ maxUses: 5, maxUploads: 5 });
    const socket = await eventually(
      'a socket',
      () => greeted(token),
      ({ closed }) => closed === null,
    );
    // No notification: the process learns of it later.
    await gateway.rows('UPDATE client_tokens SET revoked_at = now() WHERE id = $1', [uuidOf(clientToken.id)]);
    socket.subscribe('1', who);
    expect(JSON.stringify(await socket.ended('1'))).toContain(refusal);
    socket.socket.terminate();
    const uploader = await backend.mint({ maxUploads: 5 });
    const other = await eventually(
      'a socket',
      () => greeted(uploader.token),
      ({ closed }) => closed === null,
    );
    await gateway.rows('UPDATE client_tokens SET revoked_at = now() WHERE id = $1', [
      uuidOf(uploader.clientToken.id),
    ]);
    other.subscribe(
      '1',
      'mutation { createPhotoUploads(input: { files: [{ filename: "a.jpg", contentType: "image/jpeg", byteSize: 1000 }] }) { uploads { photo { id } } } }',
    );
    expect(JSON.stringify(await other.ended('1'))).toContain(refusal);
    other.socket.terminate();
  });
});
