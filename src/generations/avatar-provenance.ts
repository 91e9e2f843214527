import { digitalSourceType } from '../images/ai-mark';
import type { AvatarEntity } from './avatar.entity';

/** Who made a picture. */
export interface AvatarOrigin {
  readonly provider: string;
  /** The provider's id of the model; null without a model. */
  readonly modelRef: string | null;
}

/** The columns of a provenance. The time may be in JSON. */
export type ProvenanceColumns = Pick<AvatarEntity, 'prompt' | 'style' | 'hasContentCredentials'> & {
  readonly createdAt: Date | string;
};

/** How a picture came about, as in the API. */
export interface AvatarProvenance extends Pick<AvatarEntity, 'prompt' | 'style' | 'hasContentCredentials'> {
  readonly provider: string;
  readonly providerModelId: string | null;
  readonly generatedAt: Date;
  readonly digitalSourceType: string;
  readonly isSandbox: boolean;
}

/** The provenance of an avatar. */
export function provenanceOf(
  { prompt, style, hasContentCredentials, createdAt }: ProvenanceColumns,
  { provider, modelRef }: AvatarOrigin,
): AvatarProvenance {
  return {
    ...{ provider, providerModelId: modelRef, prompt, style, digitalSourceType, hasContentCredentials },
    generatedAt: new Date(createdAt),
    isSandbox: provider === 'sandbox',
  };
}
