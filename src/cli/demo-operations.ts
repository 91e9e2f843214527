import type { TypedDocument } from '../client/documents';

/** A stored avatar. */
export interface DemoAvatar {
  style: string;
  url: string;
  contentType: string;
  byteSize: number;
  sha256: string;
}

/** The styles of the server. */
export const offeredStyles: TypedDocument<
  { styles: { key: string }[] },
  Record<string, never>
> = '{ styles { key } }';

/** The avatars of a generation, in the order of its prompts. */
export const finishedAvatars: TypedDocument<{ generation: { avatars: DemoAvatar[] } }, { id: string }> =
  `query Avatars($id: ID!) { generation(id: $id) { avatars { style url contentType byteSize sha256 } } }`;

/** The names of a kind of job. */
export interface DemoJobKind {
  noun: 'training' | 'generation';
  /** The statuses with a result. */
  success: readonly string[];
  /** The mutation that retries the job, which is paid again. */
  retry: string;
}

/** Names of a training. */
export const training: DemoJobKind = { noun: 'training', success: ['READY'], retry: 'retryModel' };

/** Names of a generation. */
export const generation: DemoJobKind = {
  noun: 'generation',
  success: ['COMPLETED', 'PARTIAL'],
  retry: 'retryGeneration',
};
