#!/bin/sh
# Build FFmpeg from its source at FFMPEG_URL without GPL parts, with only what gateway/audio and backends/common/tempo.py
# use, into /opt/venv/ffmpeg, and PyAV for it into /opt/venv. For the Dockerfile: Debian, as root.
set -eu
prefix=/opt/venv/ffmpeg

python3 -c 'import sys, urllib.request as r; r.urlretrieve(sys.argv[1], "ffmpeg.tar.xz")' "$FFMPEG_URL"
echo "$FFMPEG_SHA256  ffmpeg.tar.xz" | sha256sum --check
apt-get update
apt-get install --yes --no-install-recommends gcc libc6-dev make nasm pkg-config xz-utils python3-dev libmp3lame-dev libopus-dev

mkdir ffmpeg
tar -xJf ffmpeg.tar.xz -C ffmpeg --strip-components=1
cd ffmpeg
# The lists are those of ffmpeg_decoder.py, formats.py and tempo.py, in the names of `configure`.
./configure --prefix="$prefix" --enable-shared --disable-static --disable-programs --disable-doc --disable-network \
  --disable-autodetect --disable-everything --enable-libmp3lame --enable-libopus \
  --enable-demuxer=aac,aiff,amr,au,caf,flac,matroska,mov,mp3,ogg,w64,wav \
  --enable-decoder=pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be \
  --enable-decoder=pcm_u8,pcm_s8,pcm_alaw,pcm_mulaw,adpcm_ima_wav,adpcm_ms,aac,alac,amrnb,amrwb,flac,opus,libopus,vorbis \
  --enable-decoder=mp2,mp2float,mp3,mp3float \
  --enable-parser=aac,amr,flac,mpegaudio,opus,vorbis \
  --enable-encoder=aac,flac,libmp3lame,libopus,pcm_s16le,pcm_mulaw,pcm_alaw \
  --enable-muxer=adts,flac,ipod,mp3,ogg,pcm_s16le,pcm_mulaw,pcm_alaw,wav,webm \
  --enable-bsf=aac_adtstoasc --enable-filter=aformat,aresample,atempo \
  --extra-ldflags="-Wl,-rpath,$prefix/lib"
make --silent -j"$(nproc)" install
cp COPYING.LGPLv2.1 "$prefix"
libraries=$(pkg-config --variable=libdir opus)
cp "$libraries/libmp3lame.so.0" "$libraries/libopus.so.0" "$prefix/lib"
cd ..

PKG_CONFIG_PATH=$prefix/lib/pkgconfig LDFLAGS="-Wl,-rpath,$prefix/lib" \
  uv pip install --constraints constraints.txt --no-deps --no-binary av av
rm -rf "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/share"
