package cache

import "io/fs"

// notOurs says why somebody else could have written what info describes. Mode
// bits say nothing about that on Windows, where a folder of the user's profile
// is closed to others by its inherited access list.
func notOurs(fs.FileInfo) string { return "" }
