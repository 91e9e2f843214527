import type { Model } from '../../src/sandbox/jobs';
import { SandboxStore } from '../../src/sandbox/store';

const modelOf = (id: string, pictures: string[] = []): Model => ({
  id,
  outcome: 'done',
  pictures,
  startedAtMs: 0,
  doneAtMs: 0,
});

describe('SandboxStore', () => {
  it('deletes the oldest model and its pictures beyond 1,000 models', async () => {
    const store = await SandboxStore.open(null, 0, false);
    const [picture] = (await store.keepPictures([Buffer.from('a')])) as [string];
    store.addModel(modelOf('oldest', [picture]));
    for (let count = 1; count < 1_000; count += 1) store.addModel(modelOf(`model ${count}`));
    expect((await store.picture(picture)).toString()).toBe('a');
    store.addModel(modelOf('newest'));
    expect(store.models.size).toBe(1_000);
    expect(store.models.has('oldest')).toBe(false);
    await expect(store.picture(picture)).rejects.toThrow('The picture has been deleted.');
    expect(store.counts.trainings).toBe(1_001);
  });
});
