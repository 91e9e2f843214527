import { useId } from 'react';
import { useSession } from '../api/session';
import { type TrainingDetails } from '../hooks/useTrainingDetails';
import { TypePicker } from './TypePicker';

export interface SubjectStepProps {
  readonly details: TrainingDetails;
  readonly onChange: (change: Partial<TrainingDetails>) => void;
}

/** The second step: who is in the photos. */
export function SubjectStep({ details, onChange }: SubjectStepProps): React.JSX.Element {
  const { avatarTypes, consentVersion, maxModelNameLength } = useSession().capabilities;
  const nameId = useId();
  return (
    <section className="card stack" aria-labelledby="subject-step">
      <h2 id="subject-step">
        <span className="step">2</span> Who it is
      </h2>
      <TypePicker
        types={avatarTypes.map(({ type }) => type)}
        value={details.type}
        onChange={(type) => onChange({ type })}
      />
      <div className="stack small">
        <label htmlFor={nameId}>Name (optional)</label>
        <input
          id={nameId}
          type="text"
          dir="auto"
          value={details.name}
          maxLength={maxModelNameLength}
          autoComplete="off"
          onChange={(event) => onChange({ name: event.target.value })}
        />
      </div>
      {consentVersion !== null && (
        <label className="check">
          <input
            type="checkbox"
            checked={details.hasConsent}
            onChange={(event) => onChange({ hasConsent: event.target.checked })}
          />
          The person in the photos agrees to the training (text {consentVersion}).
        </label>
      )}
    </section>
  );
}
