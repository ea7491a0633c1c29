package image

// shape is what is known of the members of a JSON object; the nil shape is that
// of an object of which nothing is.
type shape struct {
	// known are the members of the specification, by the fold of their names.
	known map[string]knownMember
	// free says that the names are the author's data: letter case tells them
	// apart, as it does in labels.
	free bool
}

// knownMember is a member of the specification.
type knownMember struct {
	name string
	// of is the shape of the objects in it, or in the list that it is.
	of *shape
}

// key is what no two names of an object may have in common.
func (s *shape) key(name string) string {
	if s != nil && s.free {
		return name
	}
	return fold(name)
}

// member returns the shape of a member's value, and refuses a known name that is
// written in other letters.
func (s *shape) member(name, key string) (*shape, error) {
	if s == nil {
		return nil, nil
	}
	m, ok := s.known[key]
	if ok && m.name != name {
		return nil, &membersError{name: name, other: m.name, known: true}
	}
	return m.of, nil
}

// object makes the shape of an object with plain members and with members that
// hold objects.
func object(plain []string, holding map[string]*shape) *shape {
	s := &shape{known: map[string]knownMember{}}
	for _, name := range plain {
		s.known[fold(name)] = knownMember{name: name}
	}
	for name, of := range holding {
		s.known[fold(name)] = knownMember{name, of}
	}
	return s
}

// The objects of the OCI image specification 1.1 and of Docker's manifests and
// configs (Docker Image Manifest V2, Schema 2; Docker Image Specification 1.3),
// with the members that older versions of Docker wrote.
var (
	freeForm = &shape{free: true}

	platformShape = object([]string{"architecture", "os", "os.version", "os.features", "variant", "features"}, nil)

	descriptorShape = object([]string{"mediaType", "size", "digest", "urls", "data", "artifactType"},
		map[string]*shape{"platform": platformShape, "annotations": freeForm})

	// documentShape is an index or a manifest: which of the two is not known yet.
	documentShape = object([]string{"schemaVersion", "mediaType", "artifactType", "fsLayers"}, map[string]*shape{
		"config": descriptorShape, "layers": descriptorShape, "manifests": descriptorShape,
		"subject": descriptorShape, "annotations": freeForm})

	configShape = object([]string{"created", "author", "architecture", "os", "os.version", "os.features", "variant",
		"id", "parent", "comment", "container", "docker_version"}, map[string]*shape{
		"rootfs":           object([]string{"type", "diff_ids", "base_layer"}, nil),
		"history":          object([]string{"created", "created_by", "author", "comment", "empty_layer"}, nil),
		"config":           runShape,
		"container_config": runShape})

	// runShape is how a container of the image is run.
	runShape = object([]string{"Hostname", "Domainname", "User", "Memory", "MemorySwap", "CpuShares", "Cpuset",
		"AttachStdin", "AttachStdout", "AttachStderr", "PortSpecs", "Tty", "OpenStdin", "StdinOnce", "Env", "Cmd",
		"ArgsEscaped", "Image", "WorkingDir", "Entrypoint", "NetworkDisabled", "MacAddress", "OnBuild", "StopSignal",
		"StopTimeout", "Shell"}, map[string]*shape{
		"Healthcheck":  object([]string{"Test", "Interval", "Timeout", "StartPeriod", "StartInterval", "Retries"}, nil),
		"ExposedPorts": freeForm, "Volumes": freeForm, "Labels": freeForm})
)
