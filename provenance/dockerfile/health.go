package dockerfile

import (
	"fmt"
	"time"
	"unicode/utf8"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// health is a HEALTHCHECK. The builders print it as Go prints a struct, so the
// fields' names and order are theirs.
type health struct {
	Test                                          []string
	Interval, Timeout, StartPeriod, StartInterval time.Duration
	Retries                                       int
}

func expandHealth(s *state, c instructions.Command) (*value, error) {
	h := c.(*instructions.HealthCheckCommand).Health
	v := &value{health: health{h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries}}
	s.config.Healthcheck = &v1.HealthConfig{
		Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries,
	}
	s.config.StartInterval = h.StartInterval
	return v, nil
}

// healthFields is BuildKit's since 0.20.
func healthFields(v *value) string { return fmt.Sprintf("HEALTHCHECK %+v", v.health) }

// healthQuoted is Docker's since 17.05 and older BuildKit's: a pointer printed
// with %q.
func healthQuoted(v *value) string {
	h := v.health
	return fmt.Sprintf("HEALTHCHECK &{%q %q %q %q %q}", h.Test, h.Interval, h.Timeout, h.StartPeriod, retries(h))
}

// healthShort is Docker's before 17.05, without the start period.
func healthShort(v *value) string {
	h := v.health
	return fmt.Sprintf("HEALTHCHECK &{%q %q %q %q}", h.Test, h.Interval, h.Timeout, retries(h))
}

// healthLong is that of Docker 25 and of BuildKit since 0.12, with the start
// interval.
func healthLong(v *value) string {
	h := v.health
	return fmt.Sprintf("HEALTHCHECK &{%q %q %q %q %q %q}", h.Test, h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, retries(h))
}

// retries is the number as the character that %q makes of it.
func retries(h health) rune {
	if h.Retries < 0 || h.Retries > utf8.MaxRune {
		return utf8.RuneError
	}
	return rune(h.Retries)
}
