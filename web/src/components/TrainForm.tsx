import { useEffect } from 'react';
import { type TrainModelInput } from '../../../src/client/index.ts';
import { useConnection } from '../api/connection';
import { keyOfInput, type Order } from '../api/orders';
import { useSession, type Session } from '../api/session';
import { useOrder } from '../hooks/useOrder';
import { type DraftPhotos } from '../hooks/usePhotoDraft';
import { navigate } from '../hooks/useRoute';
import { useTrainingDetails, type TrainingDetails } from '../hooks/useTrainingDetails';
import { CostNote } from './CostNote';
import { OrderButton } from './OrderButton';
import { PhotoStep } from './PhotoStep';
import { ProblemNotice } from './ProblemNotice';
import { SubjectStep } from './SubjectStep';

/** Photos, type and name, then the training. */
export function TrainForm({ chosen }: { chosen: DraftPhotos }): React.JSX.Element {
  const { likeness } = useConnection();
  const { capabilities } = useSession();
  const [details, changeDetails] = useTrainingDetails();
  const limits =
    capabilities.avatarTypes.find(({ type }) => type === details.type) ?? capabilities.avatarTypes[0]!;
  const order = useOrder(
    'train',
    ({ input, idempotencyKey }: Order<TrainModelInput>) => likeness.train({ ...input, idempotencyKey }),
    ({ id }) => {
      chosen.draft.clear();
      changeDetails(null);
      navigate({ page: 'model', id });
    },
    keyOfInput,
  );
  const { draft } = chosen;
  const isWithoutPhoto = order.problem?.code === 'NOT_FOUND' || order.problem?.code === 'PHOTO_INVALID';
  useEffect(() => {
    if (isWithoutPhoto) void draft.recheck();
  }, [draft, isWithoutPhoto, order.problem]);
  const reason =
    photoReason(chosen, limits.minPhotos, limits.maxPhotos) ?? detailReason(details, capabilities);
  const input = reason === null ? inputOf(chosen, details, capabilities) : null;
  return (
    <div className="stack large">
      <PhotoStep chosen={chosen} minPhotos={limits.minPhotos} maxPhotos={limits.maxPhotos} />
      <SubjectStep details={details} onChange={changeDetails} />
      <section className="card stack" aria-labelledby="train-step">
        <h2 id="train-step">
          <span className="step">3</span> Train
        </h2>
        <CostNote input={input && { trainModel: input }} />
        {order.problem && <ProblemNotice problem={order.problem} />}
        <div className="row">
          <OrderButton
            className="primary large"
            describedBy="train-hint"
            isReady={input !== null}
            isSending={order.isSending}
            onOrder={() => input && order.submit(input)}
          >
            Train the model
          </OrderButton>
          <p id="train-hint" className="muted">
            {reason ?? 'It takes a while. You can close this page: the training goes on.'}
          </p>
        </div>
      </section>
    </div>
  );
}

/** Why the photos do not suffice yet; null if they do. */
function photoReason({ photos, readyIds }: DraftPhotos, min: number, max: number): string | null {
  const isPending = photos.some(({ state }) => state === 'sending' || state === 'checking');
  if (isPending) return 'Waiting until all photos are checked.';
  const missing = min - readyIds.length;
  if (missing > 0) return `${missing} more usable ${missing === 1 ? 'photo is' : 'photos are'} needed.`;
  return readyIds.length > max ? `Remove ${readyIds.length - max} photos: ${max} can be used.` : null;
}

function detailReason(details: TrainingDetails, capabilities: Session['capabilities']): string | null {
  if (details.type === null) return 'Choose who is in the photos.';
  return capabilities.consentVersion !== null && !details.hasConsent ? 'Confirm the consent.' : null;
}

function inputOf(
  { readyIds }: DraftPhotos,
  { type, name }: TrainingDetails,
  { consentVersion }: Session['capabilities'],
): TrainModelInput {
  return {
    type: type!,
    ...(name.trim() !== '' && { name: name.trim() }),
    photos: readyIds.map((photoId) => ({ photoId })),
    ...(consentVersion !== null && { consent: { version: consentVersion } }),
  };
}
