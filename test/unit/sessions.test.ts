import type { Viewer } from '../../src/core/viewer';
import { Sessions } from '../../src/http/sessions';

const viewerOf = (keyId: string, token?: string): Viewer => ({
  owner: 'alice',
  scopes: new Set(['read']),
  keyId,
  ...(token !== undefined && { clientToken: { id: token, restriction: null, isCounted: false } }),
});

describe('Sessions', () => {
  const open = (): {
    ended: string[];
    sessions: Sessions;
    begin: (name: string, viewer: Viewer) => () => void;
  } => {
    const sessions = new Sessions({ maxPerOwner: null, isRevoked: (id) => id.startsWith('revoked') });
    const ended: string[] = [];
    return {
      ...{ ended, sessions },
      begin: (name, viewer) =>
        sessions.begin(viewer, ({ message }) => void ended.push(`${name}: ${message}`)),
    };
  };

  it('ends those of a client token, or of an API key with its client tokens, once', () => {
    const { begin, ended, sessions } = open();
    begin('one', viewerOf('key', 'token'));
    begin('two', viewerOf('key', 'token'));
    begin('three', viewerOf('key'));
    begin('other', viewerOf('other key', 'other token'));
    begin('closed', viewerOf('key', 'token'))();
    expect(['token', 'token', 'key', 'key', 'unknown'].map((id) => sessions.endRevoked(id))).toEqual([
      ...[2, 0, 1, 0, 0],
    ]);
    expect(ended).toEqual([
      'one: Your client token was revoked. Get another one.',
      'two: Your client token was revoked. Get another one.',
      'three: Your API key was revoked. Use another API key.',
    ]);
  });

  it('does not examine the other connections at a revocation', () => {
    const { begin, sessions } = open();
    let reads = 0;
    for (let count = 0; count < 100; count += 1) {
      const viewer = viewerOf(`key ${count}`);
      const counted: Viewer = new Proxy(viewer, {
        get: (target, name, receiver) => ((reads += 1), Reflect.get(target, name, receiver) as unknown),
      });
      begin(String(count), counted);
    }
    reads = 0;
    expect(sessions.endRevoked('revoked token')).toBe(0);
    expect(reads).toBe(0);
  });

  it('refuses a connection whose credentials have been revoked or have expired', () => {
    const { begin } = open();
    const revoked = { code: 'UNAUTHENTICATED', message: expect.stringContaining('was revoked') as string };
    const refusalOf = (viewer: Viewer): unknown => {
      try {
        return begin('late', viewer);
      } catch (error) {
        return error;
      }
    };
    expect(refusalOf(viewerOf('revoked key'))).toMatchObject(revoked);
    expect(refusalOf(viewerOf('revoked key', 'token'))).toMatchObject(revoked);
    expect(refusalOf(viewerOf('key', 'revoked token'))).toMatchObject(revoked);
    expect(refusalOf({ ...viewerOf('key'), expiresAtMs: Date.now() - 1 })).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: 'Your credentials have expired. Sign in again.',
    });
  });
});
