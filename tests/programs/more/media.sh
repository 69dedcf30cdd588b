# timeout: 120
# ffmpeg with threads, ImageMagick, compressors with threads: same bytes.
cd /root; ffmpeg -v error -f lavfi -i testsrc=duration=1:size=320x240:rate=25 -f lavfi -i sine=duration=1 -threads 4 -c:v mpeg4 -bitexact -c:a pcm_s16le -flags bitexact a.avi < /dev/null; echo $?; ffmpeg -v error -threads 4 -i a.avi -f framemd5 - < /dev/null | grep -v '^#' | md5sum
ffmpeg -v error -i a.avi -f rawvideo - < /dev/null | md5sum; ffprobe -v error -show_entries stream=codec_name,nb_frames -of csv a.avi
convert -size 200x200 gradient:red-blue -rotate 30 -resize 50% -depth 8 rgb:- | md5sum; convert -size 100x100 xc:white -fill black -draw 'circle 50,50 20,20' c.png; identify -format '%wx%h %m %k\n' c.png; convert c.png c.png c.png -append -format %h info:; echo
head -c 8000000 /dev/zero | tr '\0' 'a' > z; seq 500000 >> z; xz -T4 -k -1 z; xz -dc z.xz | cmp - z && echo xz; zstd -q -T4 -k z; zstd -dcq z.zst | cmp - z && echo zstd; gzip -kf z; gzip -dc z.gz | cmp - z && echo gzip; seq 200 | parallel -j 8 --keep-order 'echo {} $(({} * 2))' 2>/dev/null | md5sum
