package verify

import "fmt"

// FormatBytes writes a size as people read it: "512 B", "3.6 MB" (powers of
// 1000, as registries show sizes).
func FormatBytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	divisor, unit := ByteUnit(n)
	return fmt.Sprintf("%.1f %s", float64(n)/divisor, unit)
}

// ByteUnit is the unit in which FormatBytes writes a size, and the number of
// bytes in it; for several sizes that are to stand in one unit.
func ByteUnit(n int64) (divisor float64, unit string) {
	divisor, unit = 1, "B"
	for _, larger := range [...]string{"kB", "MB", "GB", "TB", "PB", "EB"} {
		if float64(n)/divisor < 999.95 {
			break
		}
		divisor, unit = divisor*1000, larger
	}
	return divisor, unit
}
